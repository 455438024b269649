"""NVIDIA GPUs of this machine by NVML (`nvidia_monitor`): use, memory, encoder, decoder, heat.

NVML's calls may wait for the driver, so a thread reads them and what is asked is what was read
last. A GPU that does not answer is left out and said once; without a driver there is no GPU.
A figure that a model does not have is missing, not 0.
"""

import asyncio
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pynvml

from media_streamer.supervisor.tasks import Tasks

JsonObject = dict[str, Any]

log = logging.getLogger(__name__)

SAMPLE_SECONDS = 5.0
READ_SECONDS = 10.0
"""A driver that takes longer hangs."""


class GpuMonitor:
    """`devices` are `media_api.server_status.TranscoderDeviceStats`."""

    def __init__(self, tasks: Tasks, nvml: ModuleType | Any = pynvml) -> None:
        self._tasks = tasks
        self._nvml = nvml
        self._watching: asyncio.Task[None] | None = None
        self._silent: set[int] = set()
        self.devices: list[JsonObject] = []

    def watch(self, wanted: bool) -> None:
        """Begin or end; a machine without GPUs is said once and not asked before the next call."""
        running = self._watching is not None and not self._watching.done()
        if wanted and not running:
            self._watching = self._tasks.spawn(self._run(), "nvidia_monitor")
        elif not wanted and self._watching is not None:
            self._watching.cancel()

    async def _run(self) -> None:
        if not await self._in_time(self._start):
            return
        try:
            while True:
                found = await self._in_time(self._read)
                if found is None:
                    return
                self.devices = found
                await asyncio.sleep(SAMPLE_SECONDS)
        finally:
            self.devices = []

    async def _in_time(self, work: Callable[[], Any]) -> Any:
        """None, and a line in the log, where NVML does not answer."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asyncio.to_thread(work)
        except TimeoutError:
            log.error("the NVIDIA driver does not answer: GPUs are watched no more until a reload")
        return None

    def _start(self) -> bool:
        try:
            self._nvml.nvmlInit()
            count = self._nvml.nvmlDeviceGetCount()
        except (self._nvml.NVMLError, OSError) as error:
            log.warning("nvidia_monitor: there is no NVIDIA GPU here (%s)", error)
            return False
        log.info("nvidia_monitor: %d GPUs", count)
        return True

    def _read(self) -> list[JsonObject]:
        found = []
        for index in range(self._nvml.nvmlDeviceGetCount()):
            try:
                found.append(self._device(index))
            except self._nvml.NVMLError as error:
                if index not in self._silent:
                    self._silent.add(index)
                    log.error("GPU %d does not answer: %s", index, error)
            else:
                self._silent.discard(index)
        return found

    def _device(self, index: int) -> JsonObject:
        nvml = self._nvml
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        figures: dict[str, Callable[[], int]] = {
            "gpu_sm": lambda: nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            "gpu_enc": lambda: nvml.nvmlDeviceGetEncoderUtilization(handle)[0],
            "gpu_dec": lambda: nvml.nvmlDeviceGetDecoderUtilization(handle)[0],
            "gpu_temp": lambda: nvml.nvmlDeviceGetTemperatureV(handle, nvml.NVML_TEMPERATURE_GPU),
            "gpu_power": lambda: round(nvml.nvmlDeviceGetPowerUsage(handle) / 1000),
        }
        device: JsonObject = {
            "type": "nvenc",
            "id": index,
            "name": str(nvml.nvmlDeviceGetName(handle)),
            "memTotal": memory.total,
            "memFree": memory.free,
            "memUsed": memory.used,
        }
        for name, figure in figures.items():
            try:
                device[name] = int(figure())
            except nvml.NVMLError:
                continue  # this model does not say it
        return device
