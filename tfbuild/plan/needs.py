"""What a build from nothing takes: disk, memory, hours. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# A build that takes longer than this should not come as a surprise.
_LONG_H = 1.0


@dataclass(frozen=True)
class Estimates:
    """What a build from nothing takes: GiB, and hours of one CPU."""

    download_gib: int
    disk_gib: int
    memory_gib: int
    cpu_hours: int

    @property
    def disk(self) -> int:
        """Bytes."""
        return self.disk_gib << 30

    def concerns(self, memory: int, cpus: int) -> tuple[str, ...]:
        """What is to be told of an engine with ``memory`` bytes and ``cpus`` before hours go into it.

        Not errors: with few jobs at a time a build goes on where the estimate, made from reports, says no.
        """
        found = []
        if memory < self.memory_gib << 30:
            found.append(
                f"the engine has {memory / (1 << 30):.1f} GiB of memory, and the build needs about "
                f"{self.memory_gib} GiB: if the compiler is killed, use --jobs 1"
            )
        hours = self.cpu_hours / max(1, cpus)
        if hours > _LONG_H:
            found.append(f"about {hours:.0f} hours on the {cpus} CPUs of the engine")
        return tuple(found)
