"""The manifests for Kubernetes, put together as kustomize would, are valid, hang together, and give nobody too much."""

import asyncio
import ipaddress
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from chassis.deployment import Deployment
from chassis.embedded import nats as embedded
from chassis.settings import ServiceSettings
from contracts.base import SERVICES
from services.activity.settings import Settings as ActivitySettings
from services.gateway.settings import Settings as GatewaySettings
from services.notifications.settings import Settings as NotificationsSettings
from services.tickets.settings import Settings as TicketsSettings

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy" / "kubernetes" / "overlays" / "example"
BASE = ROOT / "deploy" / "kubernetes" / "base"
VERSION = "1.33"
SETTINGS: dict[str, type[ServiceSettings]] = {
    "tickets": TicketsSettings,
    "activity": ActivitySettings,
    "notifications": NotificationsSettings,
    "gateway": GatewaySettings,
}
NAME = "app.kubernetes.io/name"
KNOWN = {"apiVersion", "kind", "namespace", "resources", "images", "configMapGenerator", "secretGenerator", "labels"}
type Manifest = dict[str, Any]


def rendered(directory: Path) -> list[Manifest]:
    """Put a directory together; what this reader does not know of kustomize is refused."""
    said = yaml.safe_load((directory / "kustomization.yaml").read_text(encoding="utf-8"))
    assert said.keys() <= KNOWN, said.keys() - KNOWN
    found: list[Manifest] = []
    for name in said["resources"]:
        path = directory / name
        found += rendered(path) if path.is_dir() else [*yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    for each in said.get("configMapGenerator", ()):
        data = dict(literal.split("=", 1) for literal in each.get("literals", ()))
        data |= {Path(name).name: (directory / name).read_text(encoding="utf-8") for name in each.get("files", ())}
        found.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": each["name"]}, "data": data})
    for each in said.get("secretGenerator", ()):
        held = dict.fromkeys((Path(name).name for name in each["files"]), "")
        found.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": each["name"]}, "stringData": held})
    for manifest in found:
        if "namespace" in said and manifest["kind"] != "Namespace":
            manifest["metadata"]["namespace"] = said["namespace"]
        for container in containers(manifest):
            for image in said.get("images", ()):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"
    return found


def pod(manifest: Manifest) -> Manifest | None:
    """The pod that a manifest makes."""
    spec = manifest.get("spec", {})
    found: Manifest | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return found


def containers(manifest: Manifest) -> Iterator[Manifest]:
    spec = (pod(manifest) or {"spec": {}})["spec"]
    yield from (*spec.get("initContainers", ()), *spec.get("containers", ()))


DESK = rendered(EXAMPLE)
PODS = {manifest["metadata"]["name"]: manifest for manifest in DESK if pod(manifest)}
POLICIES = [manifest["spec"] for manifest in DESK if manifest["kind"] == "NetworkPolicy"]


def held(kind: str) -> dict[str, Manifest]:
    return {manifest["metadata"]["name"]: manifest for manifest in DESK if manifest["kind"] == kind}


def picks(selector: Manifest, name: str) -> bool:
    """Whether a selector picks the pods of this name."""
    labels = {NAME: name}
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", ()))


def may_speak(source: str, to: str, port: int) -> bool:
    """Whether the policies let one pod reach another, or an address, on a port."""

    def meets(peers: list[Manifest] | None, other: str) -> bool:
        if peers is None:
            return True
        for peer in peers:
            if "podSelector" in peer and other in PODS and picks(peer["podSelector"], other):
                return True
            if "ipBlock" in peer and other not in PODS:
                address, block = ipaddress.ip_address(other), peer["ipBlock"]
                inside = address in ipaddress.ip_network(block["cidr"])
                if inside and not any(address in ipaddress.ip_network(each) for each in block.get("except", ())):
                    return True
        return False

    def allowed(name: str, way: str, peers: str, other: str) -> bool:
        mine = [p for p in POLICIES if picks(p["podSelector"], name) and way.title() in p["policyTypes"]]
        assert mine, f"no policy binds {name}"
        rules = [rule for policy in mine for rule in policy.get(way, ())]
        return any(meets(r.get(peers), other) and port in {p["port"] for p in r["ports"]} for r in rules)

    out = allowed(source, "egress", "to", to)
    return out and (to not in PODS or allowed(to, "ingress", "from", source))


@pytest.mark.parametrize("manifest", DESK, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_a_manifest_is_what_kubernetes_takes(manifest: Manifest) -> None:
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_all_that_runs_is_there() -> None:
    assert PODS.keys() == {*SERVICES, "nats", "provision", "backup"}
    assert held("HorizontalPodAutoscaler").keys() == {*SERVICES}
    assert held("PodDisruptionBudget").keys() == {*SERVICES, "nats"}
    assert PODS["nats"]["spec"]["replicas"] == 3


@pytest.mark.parametrize("name", PODS)
def test_a_pod_can_neither_rise_nor_write_nor_take_all_there_is(name: str) -> None:
    spec = (pod(PODS[name]) or {})["spec"]
    who = spec["securityContext"]
    assert who["runAsNonRoot"] is True
    assert min(who["runAsUser"], who["runAsGroup"]) >= 10001
    assert who["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    assert [volume for volume in spec["volumes"] if "hostPath" in volume] == []
    for container in containers(PODS[name]):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        assert ":" in container["image"].rpartition("/")[2], "an image has a tag that is not latest"


def test_probes_ask_what_they_should_and_an_end_has_time() -> None:
    for name in SERVICES:
        (container,) = containers(PODS[name])
        asked = {kind: container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
        # A gateway that can't reach NATS says so to its callers; out of the Service it could not.
        routed = "/health/live" if name == "gateway" else "/health/ready"
        assert asked == {"startup": "/health/live", "liveness": "/health/live", "readiness": routed}
        grace = PODS[name]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > SETTINGS[name].model_fields["drain_seconds"].default
    # Whether JetStream is on, and not whether it has caught up: no start would make that quicker.
    (*_, nats) = containers(PODS["nats"])
    assert nats["livenessProbe"]["httpGet"]["path"] == "/healthz?js-enabled-only=true"


def test_a_service_is_told_what_its_settings_know_and_its_secrets_by_file() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    for name in SERVICES:
        (container,) = containers(PODS[name])
        by_file = {each["name"]: each["value"] for each in container["env"]}
        plain = held("ConfigMap")[container["envFrom"][0]["configMapRef"]["name"]]["data"]
        fields = {f"COUNTERFOIL_{field.upper()}" for field in SETTINGS[name].model_fields}
        assert {each.removesuffix("_FILE") for each in by_file} | plain.keys() <= fields
        secret = held("Secret")[name]["stringData"]
        assert {Path(path).name for path in by_file.values()} == secret.keys()
        in_compose = compose[name]["environment"]
        assert {each for each in in_compose if each.endswith("_FILE")} == by_file.keys()
        assert {*compose[name]["secrets"]} == secret.keys()


def test_what_is_named_is_there() -> None:
    for manifest in PODS.values():
        template = pod(manifest) or {}
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        claims = {claim["metadata"]["name"] for claim in manifest["spec"].get("volumeClaimTemplates", ())}
        for volume in volumes.values():
            assert volume.get("secret", {}).get("secretName", "tickets") in held("Secret")
            assert volume.get("configMap", {}).get("name", "nats") in held("ConfigMap")
        for container in containers(manifest):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys() | claims
        assert template["spec"]["serviceAccountName"] in held("ServiceAccount")
        if "selector" in manifest["spec"]:
            assert manifest["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    for service in held("Service").values():
        if "selector" in service["spec"]:
            (container,) = PODS[service["spec"]["selector"][NAME]]["spec"]["template"]["spec"]["containers"]
            assert {p["targetPort"] for p in service["spec"]["ports"]} <= {p["name"] for p in container["ports"]}
    for scaler in held("HorizontalPodAutoscaler").values():
        assert scaler["spec"]["scaleTargetRef"]["name"] in PODS
    for budget in held("PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"][NAME] in PODS
    (rule,) = held("Ingress")["desk"]["spec"]["rules"]
    assert {path["backend"]["service"]["name"] for path in rule["http"]["paths"]} == {"gateway"}


def test_services_that_hear_are_scaled_by_how_far_they_are_behind() -> None:
    for name in SERVICES:
        metrics = held("HorizontalPodAutoscaler")[name]["spec"]["metrics"]
        lags = [each["external"]["metric"] for each in metrics if each["type"] == "External"]
        wanted = {"name": "counterfoil_consumer_lag", "selector": {"matchLabels": {"job": name}}}
        assert lags == ([] if name == "gateway" else [wanted])


def test_each_speaks_to_those_it_must_and_to_nobody_else() -> None:
    public, inside, metadata = "93.184.216.34", "10.1.2.3", "169.254.169.254"
    for name in (*SERVICES, "provision", "backup"):
        assert may_speak(name, "nats", 4222)
        assert may_speak(name, inside, 5432)
        assert not may_speak(name, "nats", 8222)
        assert [other for other in SERVICES if may_speak(name, other, 8080)] == []
        assert may_speak(name, public, 443) == (name == "notifications")
        assert [address for address in (inside, metadata) if may_speak(name, address, 443)] == []
    assert may_speak("nats", "nats", 6222)
    assert not may_speak("tickets", "nats", 6222)
    assert not may_speak("nats", inside, 5432)
    doors = [p for p in POLICIES if p["policyTypes"] == ["Ingress"]]
    assert [[*rule["from"][0]] for policy in doors for rule in policy["ingress"]] == [["namespaceSelector"]] * 3


async def test_nats_takes_its_configuration_with_the_secrets_that_are_mounted(tmp_path: Path) -> None:
    drawn = tmp_path / "drawn"
    runpy.run_path(str(ROOT / "deploy" / "make_secrets.py"))["main"](drawn)
    wanted = {name for secret in held("Secret").values() for name in secret["stringData"]}
    assert wanted <= {path.name for path in drawn.iterdir()}

    mounted = tmp_path / "mounted"
    mounted.mkdir()
    for name in held("Secret")["nats"]["stringData"]:
        shutil.copy(drawn / name, mounted)
    (tmp_path / "accounts").mkdir()
    Deployment(mounted).write_accounts(tmp_path / "accounts" / "accounts.conf")
    shutil.copy(BASE / "nats.conf", tmp_path)
    check = await asyncio.create_subprocess_exec(
        *(str(embedded._binary()), "--config", str(tmp_path / "nats.conf"), "-t"),
        env={"POD_NAME": "nats-0"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await check.communicate()
    assert check.returncode == 0, said.decode()


def test_nats_is_as_generous_as_elsewhere() -> None:
    here, there = ((path / "nats.conf").read_text(encoding="utf-8") for path in (BASE, ROOT / "deploy"))
    limits = ("max_payload", "write_deadline", "ping_", "max_memory_store", "max_file_store", "sync_interval")
    for line in there.splitlines():
        if line.strip().startswith(limits):
            assert line in here.splitlines()
