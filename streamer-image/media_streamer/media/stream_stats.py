"""Statistics of a stream as the API has them (`media_api.status.StreamStats`), as plain JSON.

Role: read what the stream's objects count; nothing is computed on the path of frames. Times are
Unix milliseconds, delays milliseconds, rates kbit/s.
"""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

from media_api.liveness import is_alive

from media_streamer.media.inputs.base import Fault
from media_streamer.media.meter import TrackMeter, track_info
from media_streamer.media.slots import InputSlot
from media_streamer.media.stream import StreamRunner
from media_streamer.media.switch import Source

Json = dict[str, Any]


def stream_stats(runner: StreamRunner) -> Json:
    """Statistics of `runner` now."""
    now, utc = time.monotonic(), time.time()
    slots, backup = runner.ingest.slots, runner.ingest.backup
    shown = runner.shown
    source = shown.source if shown else None
    failed = (slot.error for slot in slots if slot.error)
    error = runner.stage_error or runner.demand.given_up or next(failed, None)
    status = "running" if source else "error" if error and runner.demand.failing else "waiting"
    stats: Json = {
        "status": status,
        "alive": False,
        "opened_at": _ms(runner.opened_at),
        "bytes_in": sum(_bytes(slot) for slot in slots),
        "retry_count": sum(slot.totals.retries for slot in slots),
        "input_bitrate": sum(slot.bitrate for slot in slots) // 1000,
        "backup_running": bool(backup and backup.source and shown is backup),
        "input_error_rate": sum(slot.error_rate for slot in slots),
        "input": _input_totals(runner),
        "inputs": [input_stats(slot, slot is shown, now, utc) for slot in slots],
    }
    if error and source is None:
        stats["source_error"] = error
    if slots:
        stats["url"] = slots[0].url  # until another one is shown
    if runner.ingest.last_frame_at is not None:
        stats["last_dts_at"] = _ms(runner.ingest.last_frame_at)
    if runner.started_at is not None:
        stats["started_at"] = _ms(runner.started_at)
        if source:  # of one that has no source the reader knows the time himself
            stats["lifetime"] = _ms(utc - runner.started_at)
    if source and shown:
        delay = source.silence(now) * 1000
        stats |= {
            "alive": is_alive(delay),
            "ts_delay": int(delay),
            "last_dts": source.last_dts_ms,
            "last_dts_at": _ms(utc - delay / 1000),
            "url": shown.url,
            "source_id": shown.id,
        }
        if source.started_at is not None:
            stats["input_media_info"] = _media_info(shown, source)
        if shown.is_publish:
            stats["published_from"] = shown.remote
    if runner.output:
        measured = runner.output.stats()
        stats["bitrate"] = measured.bitrate if source else 0
        stats["media_info"] = measured.media_info
    if runner.graph:
        stats |= runner.graph.stats()
        if "transcoder" in stats:
            stats["output_bitrate"] = stats.get("bitrate", 0)
    return stats


def input_stats(slot: InputSlot, active: bool, now: float, utc: float) -> Json:
    """Statistics of one input (`media_api.status.InputStats`)."""
    stats: Json = {
        "id": slot.id,
        "url": slot.url,
        "proto": slot.config.scheme,
        "active": active,
        "bytes": _bytes(slot),
        "frames": slot.totals.frames + (slot.source.frames if slot.source else 0),
        "retries": slot.totals.retries,
        "errors": slot.errors,
        "error_rate": slot.error_rate,
        **_faults([slot]),
    }
    if srt := _srt(slot):
        stats["srt"] = srt
    if slot.error:
        stats["error"] = slot.error
    if slot.remote:
        stats |= {"ip": slot.remote, "user_agent": slot.user_agent}
    source = slot.source
    if source is None:
        return stats
    stats["opened_at"] = _ms(source.opened_at)
    if source.connected_at is not None:
        stats["connected_at"] = _ms(source.connected_at)
    if source.started_at is not None:
        delay = source.silence(now)
        stats |= {
            "started_at": _ms(source.started_at),
            "ts_delay": _ms(delay),
            "last_dts": source.last_dts_ms,
            "last_dts_at": _ms(utc - delay),
            "media_info": _media_info(slot, source),
        }
    return stats


def _input_totals(runner: StreamRunner) -> Json:
    """Counters over all inputs (`stats.input`)."""
    slots = runner.ingest.slots
    switch = runner.ingest.switch
    shown = runner.shown
    others = [slot for slot in slots if slot is not shown]
    totals: Json = {
        "bytes": sum(_bytes(slot) for slot in slots),
        "frames": sum(s.totals.frames + (s.source.frames if s.source else 0) for s in slots),
        "retries": sum(slot.totals.retries for slot in slots),
        "errors": sum(slot.errors for slot in slots),
        "error_rate": sum(slot.error_rate for slot in slots),
        **_faults(slots),
        "input_switches": runner.input_switches,
        "media_info_changes": sum(
            s.totals.description_changes + (s.source.description_changes if s.source else 0)
            for s in slots
        ),
        "invalid_secondary_inputs": sum(slot.error is not None for slot in others),
        "num_sec_on_primary_input": int(runner.seconds_on_primary),
        "num_sec_on_secondary_input": int(runner.seconds_on_secondary),
        "num_sec_no_data": int(runner.seconds_without_frames),
        "resync_count_normal": switch.timeline.restarts if switch else 0,
        "resync_count_jump": switch.timeline.breaks if switch else 0,
        "resync_count_drift": switch.clock.corrections if switch else 0,
        "reorder_count": switch.timeline.moved if switch else 0,
    }
    if shown:
        totals |= {"url": shown.url, "proto": shown.config.scheme, "active": True}
        if srt := _srt(shown):
            totals["srt"] = srt
    return totals


_FAULTS: tuple[Fault, ...] = get_args(Fault)


def _faults(slots: Sequence[InputSlot]) -> Json:
    """Errors by kind, over some inputs."""
    total: Counter[Fault] = sum((slot.faults for slot in slots), Counter())
    return {
        "errors_lost_packets": sum(slot.lost_packets for slot in slots),
        "errors_dropped_frames": sum(slot.dropped_frames for slot in slots),
        **{f"errors_{fault}": total[fault] for fault in _FAULTS},
    }


def _media_info(slot: InputSlot, source: Source) -> Json:
    return {
        "flow_type": "file" if slot.config.scheme == "file" else "stream",
        "tracks": [track_info(track, TrackMeter()) for track in source.tracks],
    }


def _srt(slot: InputSlot) -> Json | None:
    """JSON of `media_api.status.SrtStats`; None for other protocols."""
    reception = slot.input.reception if slot.input is not None else None
    if reception is None or reception.latency is None:
        return None
    return {
        "packets": reception.packets,
        "retransmitted_packets": reception.retransmitted,
        "error_lost_packets": reception.lost,
        "error_dropped_packets": reception.late,
        "rtt": reception.rtt,
        "latency": reception.latency,
    }


def _bytes(slot: InputSlot) -> int:
    return slot.totals.bytes + (slot.source.bytes if slot.source else 0)


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
