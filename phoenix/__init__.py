"""Phoenix: declare hosts, services and who uses them once; derive, deploy and prove the rest."""

import atexit
import gc
import os

# A run is short and keeps nearly all that it makes: looking for garbage every 700 objects is a tenth of its start, and
# looking through all of it before the process ends takes another 0.05 s.
gc.set_threshold(100_000)
atexit.register(gc.freeze)
# Pydantic would look through all installed packages for plugins.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
# Nornir expands "~" when it is imported, and fails for a user without a home directory. Debian's name for none is this.
if os.path.expanduser("~") == "~":  # noqa: PTH111 - Path.expanduser raises instead
    os.environ["HOME"] = "/nonexistent"
