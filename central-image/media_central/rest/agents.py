"""Camera agents and persons, served as what they are without cameras: empty.

The collections answer, one by its name is unknown, and what would act on an agent or register a
person is not served, in words.
"""

from aiohttp import web
from media_rest.errors import ApiError, not_found
from media_rest.query import parse_query, run_query
from media_rest.route import Route

from media_central.models.agents import Agent, Person
from media_central.rest.answers import json_answer

AGENTS = "camera agents are not served by this Central"
PERSONS = "recognition of persons is not served by this Central"


async def list_agents(request: web.Request) -> web.StreamResponse:
    query = parse_query(request.query.items(), Agent, ("stream", "stream_is"))
    return json_answer(run_query([], query, "agents", "id"))


async def list_persons(request: web.Request) -> web.StreamResponse:
    query = parse_query(request.query.items(), Person)
    return json_answer(run_query([], query, "persons", "person_id"))


async def no_agent(request: web.Request) -> web.StreamResponse:
    raise not_found("agent", request.match_info["id"])


async def no_person(request: web.Request) -> web.StreamResponse:
    raise not_found("person", request.match_info["id"])


async def agents_not_served(_request: web.Request) -> web.StreamResponse:
    raise ApiError(501, "not_implemented", AGENTS)


async def persons_not_served(_request: web.Request) -> web.StreamResponse:
    raise ApiError(501, "not_implemented", PERSONS)


ROUTES = (
    Route(
        "GET", "/agents", list_agents, "List of camera agents: empty", operation="agents_list",
        response=Agent, collection="agents", query={"stream": "the stream of its input"},
    ),
    Route("GET", "/agents/{id}", no_agent, "Always 404", operation="agent_get"),
    Route("DELETE", "/agents/{id}", no_agent, "Always 404", operation="agent_delete"),
    Route("GET", "/agents/{id}/logs", no_agent, "Always 404", operation="agent_logs_get"),
    Route("PUT", "/agents/{id}", agents_not_served, "Always 501", operation="agent_save"),
    *(
        Route(
            "POST", f"/agents/{{id}}/{word}", agents_not_served, "Always 501",
            operation=f"agent_{word}",
        )
        for word in ("disconnect", "reboot", "reset")
    ),
    Route(
        "POST", "/agents/layouts", agents_not_served, "Always 501",
        operation="batch_update_agents_layouts",
    ),
    Route(
        "GET", "/persons", list_persons, "List of persons: empty", operation="persons_list",
        response=Person, collection="persons",
    ),
    Route("GET", "/persons/{id}", no_person, "Always 404", operation="person_get"),
    Route("DELETE", "/persons/{id}", no_person, "Always 404", operation="person_delete"),
    Route("PUT", "/persons/{id}", persons_not_served, "Always 501", operation="person_save"),
)  # fmt: skip
