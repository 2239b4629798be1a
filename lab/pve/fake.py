"""The only import of fakepve (AGPL; lab and tests only), which ships no types."""

from fakepve import FakePve, PveError, TaskError, schema  # type: ignore[import-untyped]
from fakepve.lxc import FakeCt  # type: ignore[import-untyped]
from fakepve.model import FakeVm  # type: ignore[import-untyped]
from fakepve.qemu import with_mac  # type: ignore[import-untyped]
from fakepve.server import USER  # type: ignore[import-untyped]

__all__ = ["USER", "FakeCt", "FakePve", "FakeVm", "PveError", "TaskError", "schema", "with_mac"]
