"""What a process costs in memory."""

from pathlib import Path


def peak_memory(pid: int) -> float:
    """Return the peak resident memory of a process in MiB (on macOS, where no record is kept, the present one)."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    import psutil

    memory = psutil.Process(pid).memory_info()
    return getattr(memory, "peak_wset", memory.rss) / 2**20
