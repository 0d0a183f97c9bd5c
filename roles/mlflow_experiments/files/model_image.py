"""Makes an OCI image that serves a registered model, and pushes it: the model becomes a layer on a base image.

It needs neither a daemon nor privileges, because nothing of an image is run while it is made: the base image stays
where it is in the registry, and what is pushed is the model, a configuration and a manifest. The base image must hold
what the model imports; run this script with that image, and it says what is missing before anything is pushed.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import tarfile
from importlib import metadata
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from packaging.requirements import Requirement

# The client of registries, which no other script needs.
NEEDS = "oras==0.2.43"
PLACE = "opt/mlflow-model"
SERVE = ["python3", "-m", "mlflow", "models", "serve", f"--model-uri=/{PLACE}", "--env-manager=local"]
LISTEN = ["--host=0.0.0.0", "--port=8080"]
DOCKER, OCI = "application/vnd.docker.", "application/vnd.oci.image."
# What a base image may come as: one manifest, or a list with one for each machine.
MANIFESTS = [f"{OCI}manifest.v1+json", f"{DOCKER}distribution.manifest.v2+json"]
INDEXES = [f"{OCI}index.v1+json", f"{DOCKER}distribution.manifest.list.v2+json"]
LAYERS = {OCI: f"{OCI}layer.v1.tar+gzip", DOCKER: f"{DOCKER}image.rootfs.diff.tar.gzip"}
CHUNK = 8 << 20


def missing(requirements: str, installed: Any = metadata.version) -> list[str]:
    """What of a model's list of packages this environment, and so the base image, does not have."""
    found = []
    for line in requirements.splitlines():
        if not (text := line.split("#")[0].strip()) or text.startswith("-"):
            continue
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate():
            continue
        try:
            version = installed(wanted.name)
        except metadata.PackageNotFoundError:
            found.append(f"{wanted} (not there)")
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            found.append(f"{wanted} ({version} is there)")
    return found


def layer_of(model: Path, file: Path) -> tuple[str, str]:
    """Write the model as a layer, of the same bytes each time.

    :returns: the digests of the tar archive and of the compressed file.
    """
    plain = hashlib.sha256()

    class Hashing:
        def write(self, data: bytes) -> int:
            plain.update(data)
            return compressed.write(data)

    def owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() else 0o644
        return entry

    with (
        file.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as compressed,
        tarfile.open(fileobj=Hashing(), mode="w|", format=tarfile.PAX_FORMAT) as archive,  # type: ignore[call-overload]
    ):
        for path in [model, *sorted(model.rglob("*"))]:
            if path.is_dir() or (path.is_file() and not path.is_symlink()):
                name = f"{PLACE}/{path.relative_to(model)}".removesuffix("/.")
                archive.add(path, name, recursive=False, filter=owned_by_root)
    with file.open("rb") as made:
        return f"sha256:{plain.hexdigest()}", f"sha256:{hashlib.file_digest(made, 'sha256').hexdigest()}"


def configuration(base: dict[str, Any], diff: str, labels: dict[str, str]) -> bytes:
    """That of the base image, with a layer more, and what serves the model as its program."""
    made = json.loads(json.dumps(base))
    made["rootfs"]["diff_ids"].append(diff)
    made["history"] = [*(made.get("history") or []), {"created_by": "mlops.mlflow model_image.py"}]
    config = made.setdefault("config", {})
    config |= {"Entrypoint": SERVE, "Cmd": LISTEN, "ExposedPorts": {"8080/tcp": {}}}
    config["Labels"] = {**(config.get("Labels") or {}), **labels}
    return json.dumps(made, sort_keys=True, separators=(",", ":")).encode()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def checked(response: Any, what: str) -> Any:
    if not response.ok:
        raise SystemExit(f"{what}: the registry answered {response.status_code}: {response.text[:300]}")
    return response


class Registry:
    """Where one image lies: the library's client with what it lacks, mounting a layer of another repository."""

    def __init__(self, image: str, insecure: bool, login: str) -> None:
        from oras.container import Container
        from oras.provider import Registry as Client

        self.image = Container(image)
        self.client = Client(hostname=self.image.registry, insecure=insecure)
        if login:
            self.client.auth.load_configs(self.image, [login])
        self.url = f"{self.client.prefix}://{self.image.registry}/v2/{self.repository}"

    @property
    def repository(self) -> str:
        return "/".join(part for part in (self.image.namespace, self.image.repository) if part)

    def manifest(self, reference: str) -> dict[str, Any]:
        headers = {"Accept": ", ".join([*MANIFESTS, *INDEXES])}
        answer = self.client.do_request(f"{self.url}/manifests/{reference}", headers=headers)
        checked(answer, f"The base image {self.image}")
        found: dict[str, Any] = answer.json()
        if found.get("mediaType") not in INDEXES:
            return found
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
        for one in found["manifests"]:
            if (one.get("platform") or {}).get("architecture") == machine:
                return self.manifest(one["digest"])
        raise SystemExit(f"The base image {self.image} is not made for {machine}.")

    def blob(self, blob_digest: str) -> bytes:
        data: bytes = checked(self.client.get_blob(self.image, blob_digest), f"Part of {self.image}").content
        if digest(data) != blob_digest:
            raise SystemExit(f"Part of {self.image} is not what its digest {blob_digest} says.")
        return data

    def push(self, file: Path, layer: dict[str, Any]) -> bool:
        """
        :returns: whether it was not there before.
        """
        if self.client.blob_exists(layer, self.image):
            return False
        large = layer["size"] > CHUNK
        checked(self.client.upload_blob(str(file), self.image, layer, large, CHUNK), f"To push to {self.image}")
        return True

    def take(self, layer: dict[str, Any], base: "Registry", folder: Path) -> None:
        """Get a layer of the base image: by its name alone where one registry has both."""
        if self.client.blob_exists(layer, self.image):
            return
        if self.image.registry == base.image.registry:
            query = f"mount={layer['digest']}&from={base.repository}"
            if self.client.do_request(f"{self.url}/blobs/uploads/?{query}", "POST").status_code == 201:
                return
        print(f"Copying {layer['size'] >> 20} MiB of {base.image}")
        file = folder / "copied"
        base.client.download_blob(base.image, layer["digest"], str(file))
        self.push(file, layer)
        file.unlink()

    def name(self, manifest: dict[str, Any]) -> str:
        """Give what was pushed the image's tag."""
        text = json.dumps(manifest, sort_keys=True).encode()
        headers = {"Content-Type": manifest["mediaType"]}
        where = f"{self.url}/manifests/{self.image.tag}"
        checked(self.client.do_request(where, "PUT", data=text, headers=headers), f"To tag {self.image}")
        return digest(text)


def build(model: Path, base: Registry, target: Registry, labels: dict[str, str], folder: Path) -> dict[str, Any]:
    manifest = base.manifest(base.image.digest or base.image.tag)
    family = DOCKER if str(manifest.get("mediaType", "")).startswith(DOCKER) else OCI
    diff, layer_digest = layer_of(model, folder / "layer")
    config = configuration(json.loads(base.blob(manifest["config"]["digest"])), diff, labels)
    (folder / "config").write_bytes(config)
    made = {"digest": layer_digest, "size": (folder / "layer").stat().st_size, "mediaType": LAYERS[family]}
    described = {**manifest["config"], "digest": digest(config), "size": len(config)}
    for layer in manifest["layers"]:
        target.take(layer, base, folder)
    pushed = target.push(folder / "layer", made)
    target.push(folder / "config", described)
    whole = {**manifest, "config": described, "layers": [*manifest["layers"], made]}
    whole.setdefault("mediaType", MANIFESTS[0])
    return {"digest": target.name(whole), "layer_bytes": made["size"], "pushed_bytes": made["size"] if pushed else 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="name of the registered model")
    parser.add_argument("--version", default="", help="number, or @alias; empty for the newest")
    parser.add_argument("--base", required=True, help="image with what the model imports; the one that this runs with")
    parser.add_argument("--image", required=True, help="name and tag of the image to make")
    parser.add_argument("--plain-http", default="false", help="true: the registry has no TLS")
    parser.add_argument("--registry-config", default=os.environ.get("MLOPS_REGISTRY_CONFIG", ""))
    arguments = parser.parse_args()
    if not re.search(r"/.+:[\w][\w.-]{0,127}$", arguments.image):
        raise SystemExit(f"--image must be REGISTRY/NAME:TAG, and is {arguments.image}")
    insecure = arguments.plain_http == "true"
    try:
        base, target = (Registry(one, insecure, arguments.registry_config) for one in (arguments.base, arguments.image))
    except ImportError:
        raise SystemExit(
            f"The package oras is missing. Build an image with it: playbooks/images.yml with "
            f"mlflow_image_packages: ['{NEEDS}'], and give its name as the script's image."
        ) from None
    client = MlflowClient()
    name, wanted = arguments.model, arguments.version
    if wanted.startswith("@"):
        version = client.get_model_version_by_alias(name, wanted[1:])
    elif wanted:
        version = client.get_model_version(name, wanted)
    else:
        newest = client.search_model_versions(f"name='{name}'", max_results=1, order_by=["version_number DESC"])
        if not newest:
            raise SystemExit(f"There is no version of a registered model {name}.")
        version = newest[0]
    folder = Path.cwd()
    uri = f"models:/{name}/{version.version}"
    print(f"Downloading {uri}")
    model = Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder / "model")))
    requirements = model / "requirements.txt"
    if lacks := missing(requirements.read_text() if requirements.exists() else ""):
        raise SystemExit(f"{arguments.base} cannot serve {uri}, it lacks: {', '.join(lacks)}. Build one that has them.")
    # Which also imports all that it needs: what cannot be loaded here could not be served.
    mlflow.pyfunc.load_model(str(model))
    labels = {"org.opencontainers.image.title": name, "org.opencontainers.image.version": str(version.version)}
    made = build(model, base, target, labels, folder)
    image = f"{target.image.registry}/{target.repository}@{made['digest']}"
    print(json.dumps({"image": image, "model": name, "version": str(version.version), **made}))


if __name__ == "__main__":
    main()
