"""The base of every model: how outside data becomes typed values.

Role: one place for the rules that the REST API, the configuration file, the custom resources and
config_external share, so that the same document means the same thing everywhere.

Invariants:
- Unknown keys are accepted and ignored: clients of newer or older servers send more than we know.
- Text is converted where the field wants a number or a boolean, because configuration lines and
  query strings carry only text.
- Old spellings of a key (`deprecated_aliases`) are renamed before validation; the old and the new
  spelling together are an error, because nobody could say which one was meant.
- "Not set" differs from "set to the default": `explicit()` gives only what was set, which is what
  templates inherit and what is saved; `effective()` adds the defaults.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

JsonObject = dict[str, Any]


class ApiModel(BaseModel):
    """A JSON object of the API. Keys are the API's own names, also where Python reserves them."""

    model_config = ConfigDict(
        extra="ignore",
        coerce_numbers_to_str=True,
        populate_by_name=True,
        serialize_by_alias=True,
        protected_namespaces=(),
        hide_input_in_errors=True,  # URLs have logins, and errors reach the log
        # What validates is built at first use: most processes use a tenth of the models, and
        # building all of them was a fifth of the CPU time that a server needs to start.
        defer_build=True,
    )

    deprecated_aliases: ClassVar[Mapping[str, str]] = {}
    """Old key -> current key, accepted on input and never written."""

    @model_validator(mode="before")
    @classmethod
    def _rename_deprecated(cls, data: Any) -> Any:
        return cls.rename_deprecated(data) if isinstance(data, Mapping) else data

    @classmethod
    def rename_deprecated(cls, data: Mapping[str, Any]) -> JsonObject:
        """Returns `data` with old keys renamed.

        Raises ValueError where an old and the current key are both given with different values.
        """
        renamed = dict(data)
        for old, new in cls.deprecated_aliases.items():
            if old not in renamed:
                continue
            value = renamed.pop(old)
            if new in renamed and renamed[new] != value:
                raise ValueError(f"{old} is the old name of {new}: give only one of them")
            renamed[new] = value
        return renamed

    @classmethod
    def parse(cls, data: Any) -> Self:
        """`model_validate` under a name that reads well; raises pydantic.ValidationError."""
        return cls.model_validate(data)

    def explicit(self) -> JsonObject:
        """JSON object of only what was set, without nulls: what is saved and inherited."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)

    def effective(self) -> JsonObject:
        """JSON object with the defaults filled in, without nulls: what the API answers."""
        return self.model_dump(mode="json", exclude_none=True)
