"""The manifest for Kubernetes: that it can be read, and does what this version understands."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from e5v.verbs.encode import Encode
from e5v.verbs.usage import parse

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    """Read the manifest."""
    written = yaml.safe_load((ROOT / "examples" / "kuberay.yaml").read_text())
    assert (written["apiVersion"], written["kind"]) == ("ray.io/v1", "RayJob")
    read: dict[str, Any] = written["spec"]
    return read


def test_the_command_is_one_of_this_version(spec: dict[str, Any]) -> None:
    """Catches an option that was renamed, and actors without a GPU."""
    program, name, *arguments = shlex.split(spec["entrypoint"])
    assert (program, name) == ("e5v", "encode")
    verb = parse(Encode, name, arguments)
    [group] = spec["rayClusterSpec"]["workerGroupSpecs"]
    [worker] = group["template"]["spec"]["containers"]
    gpus = group["replicas"] * int(worker["resources"]["limits"]["nvidia.com/gpu"])
    assert (verb.engines.engine, verb.engines.engine_actors) == ("ray", gpus)
    assert verb.opening.device == "cuda"


def test_every_pod_has_what_the_docs_ask_for(spec: dict[str, Any]) -> None:
    """Catches another Ray than the tested one, workers that starve, and a pod without the data."""
    cluster = spec["rayClusterSpec"]
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert cluster["rayVersion"] == pinned[1]
    assert f"'ray[default]=={pinned[1]}'" in (ROOT / "examples" / "kuberay.yaml").read_text()
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        pod = group["template"]["spec"]
        [container] = pod["containers"]
        assert {"name": "RAY_worker_niceness", "value": "0"} in container["env"]
        assert [one["name"] for one in container["volumeMounts"]] == [
            one["name"] for one in pod["volumes"]
        ]
        assert container["resources"]["limits"] == container["resources"]["requests"]
