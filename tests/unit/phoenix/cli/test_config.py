"""config.yaml: where it is looked for, what it says about the inventory, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.cli import config
from phoenix.cli.config import config_file, default_inventory, nornir_config
from phoenix.cli.execute import execute
from phoenix.cli.request import Options
from phoenix.errors import ConfigError
from tests.support.inventories import EXAMPLE
from tests.support.places import ROOT


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Be in an empty directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, here: Path) -> Path:
    """Be an installed package, in an empty directory."""
    monkeypatch.setattr(config, "CHECKOUT", here / "site-packages")
    return here


def test_own_directory_first(here: Path) -> None:
    """The file of the current directory wins over that of the checkout, and its paths are relative to it."""
    (here / "config.yaml").write_text("inventory: {plugin: phoenix_inventory, options: {directory: estate}}")
    assert (config_file(), default_inventory()) == (Path("config.yaml"), Path("estate"))


@pytest.mark.usefixtures("here")
def test_checkout_second() -> None:
    """Elsewhere the checkout's file names the checkout's inventory."""
    assert (config_file(), default_inventory()) == (ROOT / "config.yaml", EXAMPLE)


@pytest.mark.usefixtures("installed")
def test_defaults_last() -> None:
    """An installed package without a file reads `inventory` here, and writes no log file."""
    assert (config_file(), default_inventory()) == (None, Path("inventory"))
    assert (nornir_config().runner.plugin, nornir_config().logging.enabled) == ("threaded", False)


def test_no_file_of_another_package(installed: Path) -> None:
    """A config.yaml beside an installed package is not ours."""
    beside = installed / "site-packages"
    beside.mkdir()
    (beside / "config.yaml").write_text("runner: {plugin: serial}")
    assert config_file() is None


def test_sections_as_written(here: Path) -> None:
    """Runner and logging are what the file says."""
    (here / "config.yaml").write_text("runner: {plugin: serial}\nlogging: {enabled: true, level: DEBUG}")
    found = nornir_config()
    assert (found.runner.plugin, found.logging.enabled, found.logging.level) == ("serial", True, "DEBUG")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("inventory: {plugin: SimpleInventory}", "inventory.plugin: 'SimpleInventory' holds no estate, write phoenix_"),
        ("inventory: {options: {directory: 7}}", "inventory.options.directory: 7 is no path, write inventory"),
        ("- runner", "is not a mapping, write sections such as"),
        ("runner: [", "cannot be read: while parsing"),
        ("runners: {}", "runners: unknown section, write one of inventory, ssh, logging, core, runner, user_defined"),
    ],
)
def test_refused(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    """A command refuses a wrong file with status 2, and names the file, the key and what to write."""
    (here / "config.yaml").write_text(text)
    with pytest.raises(ConfigError):
        default_inventory(), nornir_config()
    monkeypatch.setenv("PHOENIX_ACCESS", str(access(here)))
    (here / "inventory").symlink_to(EXAMPLE)
    assert execute(Options(dry_run=True), lambda _: (), programs=False) == 2
    assert f"config.yaml: {says}" in capfd.readouterr().err


def test_an_empty_file(here: Path) -> None:
    """A file without a section is as good as none."""
    (here / "config.yaml").write_text("# later\n")
    assert default_inventory() == Path("inventory")
    assert nornir_config().runner.plugin == "threaded"


def access(folder: Path) -> Path:
    """An access file of a hypervisor at which no port is open."""
    key = folder / "key"
    file = folder / "access.yaml"
    file.write_text(f"""
pve:
  api:
    url: https://127.0.0.1:1
    fingerprint: {":".join(["00"] * 32)}
    token_id: root@pam!t
    token_secret: 00000000-0000-0000-0000-000000000000
  ssh: {{host: 127.0.0.1, port: 1, host_key: ssh-ed25519 AAAA, key_file: {key}}}
""")
    file.chmod(0o600)
    return file
