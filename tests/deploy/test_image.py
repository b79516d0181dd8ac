"""What an image is built from, and what runs beside it, read without a Docker."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from e5v.web.access import OPEN_PATHS
from e5v.web.admission import Limits
from e5v.web.serving import FINISH_SECONDS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DIGITS = re.compile(r":v?\d+\.\d+\.\d+")


HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_the_dockerfile_is_good_for_its_linter() -> None:
    """Catches an instruction that Docker refuses, and habits that hadolint warns of."""
    assert HADOLINT
    done = subprocess.run(
        [HADOLINT, ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = plain.replace("\\\n", " ").split("\n")
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined if line.strip()]


def _stages() -> dict[str, list[tuple[str, str]]]:
    """Return the instructions of each stage, those of the stages it is made from before them."""
    stages: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in _instructions():
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            current = stages[name] = list(stages.get(source, [(word, source)]))
        else:
            current.append((word, rest))
    return stages


def _compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_a_target(target: str) -> None:
    """Catches an image that runs as root, floats, or whose health or command is not there."""
    stage = _stages()[target]
    assert DIGITS.search(stage[0][1]), "a base image without a whole version"
    last = dict(stage)
    assert int(last["USER"].partition(":")[0]) > 0
    assert [word for word, _ in stage][-1] == "USER", "something after it runs as that user"
    health = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])
    compile(health[2], "HEALTHCHECK", "exec")
    (path,) = re.findall(r"127\.0\.0\.1:(\d+)(/\w+)'", health[2])
    assert path[0] == last["EXPOSE"] == "8000"
    assert path[1] in OPEN_PATHS, "a health that needs a key"
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert json.loads(last["ENTRYPOINT"])[0] in scripts
    owned = shlex.split(next(rest for word, rest in stage if word == "RUN"))
    assert last["VOLUME"] in owned, "a volume that its user cannot write"
    for name in ("HF_HOME", "E5V_CACHE"):
        assert f"{name}={last['VOLUME']}/" in last["ENV"]


def test_what_the_image_is_built_from() -> None:
    """Catches a file that is copied but not there, or left out by .dockerignore; and an extra."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    kept = [line[1:] for line in ignored if line.startswith("!")]
    copied = [
        name for word, rest in _instructions() if word == "COPY" for name in rest.split()[:-1]
    ]
    assert sorted(copied) == sorted(kept)
    for name in copied:
        assert (ROOT / name).exists(), name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)
    extras = re.findall(r"'\.\[(\w+)\]'", str(_instructions()))
    assert extras == ["serve", "serve"]
    assert set(extras) <= project["optional-dependencies"].keys()


def test_the_copies_are_those_that_are_asked() -> None:
    """Catches a copy that nginx does not know or Prometheus does not read, and a short end."""
    services = _compose()["services"]
    copies = {name for name, one in services.items() if one.get("build")}
    assert len(copies) == 2
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    assert set(re.findall(r"server (\S+):8000 ", nginx)) == copies
    prometheus = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = prometheus["scrape_configs"]
    (targets,) = (one["targets"] for one in job["static_configs"])
    assert {target.partition(":")[0] for target in targets} == copies
    secret = Path(job["authorization"]["credentials_file"]).name
    assert services["prometheus"]["secrets"] == [secret]
    assert _compose()["secrets"][secret] == {"environment": "E5V_API_KEY"}
    for name in copies:
        copy = services[name]
        assert int(copy["stop_grace_period"].removesuffix("s")) > FINISH_SECONDS
        assert copy["build"]["target"].endswith(":-cpu}")
        assert "/index:ro" in copy["volumes"][0]
        index = copy["command"][copy["command"].index("--index") + 1]
        assert fnmatch(copy["volumes"][0], f"*:{index}:ro")


def test_every_image_beside_it_has_a_version() -> None:
    """Catches nginx or Prometheus of whatever day it is, and a mounted file that is not there."""
    for name, one in _compose()["services"].items():
        if not one.get("build"):
            assert DIGITS.search(one["image"]), name
        for volume in one["volumes"]:
            if volume.startswith("./"):
                assert (DEPLOY / volume.partition(":")[0]).is_file(), volume


def test_a_body_may_be_as_large_as_the_server_takes_it() -> None:
    """Catches a balancer that refuses what a copy would take."""
    nginx = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    (size,) = re.findall(r"client_max_body_size (\d+)m;", nginx)
    assert int(size) * 2**20 == Limits().body_bytes
