"""GPUs by NVML; the library is a stand-in, as no test machine needs to have a GPU."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from media_api.server_status import TranscoderDeviceStats
from media_streamer.supervisor.gpus import GpuMonitor
from media_streamer.supervisor.tasks import Tasks


class NvmlError(Exception):
    pass


class Nvml:
    """Two GPUs, of which the second may fall off; the first has no decoder figure."""

    NVMLError = NvmlError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.gone: set[int] = set()

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.count:
            raise NvmlError("Driver Not Loaded")

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.count

    def __getattr__(self, name: str) -> Any:
        answers = {
            "nvmlDeviceGetHandleByIndex": self._handle,
            "nvmlDeviceGetName": lambda index: f"GPU {index}",
            "nvmlDeviceGetMemoryInfo": lambda _: SimpleNamespace(total=100, free=60, used=40),
            "nvmlDeviceGetUtilizationRates": lambda _: SimpleNamespace(gpu=7, memory=1),
            "nvmlDeviceGetEncoderUtilization": lambda _: [12, 1000],
            "nvmlDeviceGetDecoderUtilization": self._missing,
            "nvmlDeviceGetTemperatureV": lambda _, __: 55,
            "nvmlDeviceGetPowerUsage": lambda _: 71_600,
        }
        return answers[name]

    def _handle(self, index: int) -> int:
        if index in self.gone:
            raise NvmlError("GPU is lost")
        return index

    def _missing(self, _: int) -> None:
        raise NvmlError("Not Supported")


@contextlib.asynccontextmanager
async def watched(nvml: Nvml, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("media_streamer.supervisor.gpus.SAMPLE_SECONDS", 0.001)
    tasks = Tasks()
    monitor = GpuMonitor(tasks, nvml)
    monitor.watch(True)
    yield monitor
    monitor.watch(False)
    await until(lambda: not monitor.devices)
    await tasks.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nothing tells of a reading
            await asyncio.sleep(0.001)


async def test_figures_by_their_published_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(Nvml(), monkeypatch) as monitor:
        await until(lambda: monitor.devices)
        first, second = monitor.devices
    assert second["id"] == 1
    assert first == {
        "type": "nvenc", "id": 0, "name": "GPU 0", "memTotal": 100, "memFree": 60, "memUsed": 40,
        "gpu_sm": 7, "gpu_enc": 12, "gpu_temp": 55, "gpu_power": 72,
    }  # fmt: skip
    assert TranscoderDeviceStats.model_validate(first).mem_total == 100
    assert monitor.devices == [], "who does not watch knows none"


async def test_a_gpu_that_falls_off_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    nvml = Nvml()
    async with watched(nvml, monkeypatch) as monitor:
        await until(lambda: len(monitor.devices) == 2)
        nvml.gone.add(1)
        await until(lambda: [device["id"] for device in monitor.devices] == [0])
        nvml.gone.clear()
        await until(lambda: len(monitor.devices) == 2)
    assert caplog.text.count("GPU 1 does not answer") == 1


async def test_a_machine_without_gpus(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks()
    monitor = GpuMonitor(tasks, Nvml(0))
    monitor.watch(True)
    await until(lambda: "there is no NVIDIA GPU here (Driver Not Loaded)" in caplog.text)
    assert monitor.devices == []
    await tasks.close()


async def test_the_real_library_is_asked_without_an_error(caplog: pytest.LogCaptureFixture) -> None:
    """With a driver there are devices, without one a line says so."""
    tasks = Tasks()
    monitor = GpuMonitor(tasks)
    monitor.watch(True)
    await until(lambda: monitor.devices or "there is no NVIDIA GPU here" in caplog.text)
    await tasks.close()
