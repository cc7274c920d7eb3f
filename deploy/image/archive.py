#!/usr/bin/env python3
"""Makes an image archive of one layer from a root file system.

The archive is at once an OCI image layout (oci-layout, index.json; OCI image-spec, image-layout.md) and what `docker save`
writes (manifest.json), with the same blobs for both, as Docker itself does since version 25: older ones read the second only.
The layer is not compressed: then its digest does not depend on a version of zlib.
"""

import argparse
import datetime
import hashlib
import io
import json
import os
import pathlib
import tarfile


def entry(name, epoch):
    """What all files have in common: root has them, and they are of one time."""
    info = tarfile.TarInfo(name)
    info.mtime = epoch
    info.mode = 0o755
    return info


def layer(tree, epoch):
    """The files of `tree`, sorted by name; links would need thought, and there are none."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(tree.rglob("*"), key=lambda path: path.relative_to(tree).parts):
            info = entry(str(path.relative_to(tree)), epoch)
            if path.is_dir() and not path.is_symlink():
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            elif path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                info.size = len(content)
                info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
                tar.addfile(info, io.BytesIO(content))
            else:
                raise SystemExit(f"archive.py: {path} is neither a file nor a directory")
    return buffer.getvalue()


def encoded(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def descriptor(media_type, blob, **more):
    digest = hashlib.sha256(blob).hexdigest()
    return {"mediaType": f"application/vnd.oci.image.{media_type}", "digest": f"sha256:{digest}", "size": len(blob), **more}


def labels(options):
    """Those of OCI's annotations.md that are known here."""
    known = {
        "title": "svcctl",
        "description": "Kubernetes-style services by nftables, iptables or IPVS",
        "version": options.version,
        "licenses": options.license,
    }
    return {f"org.opencontainers.image.{key}": value for key, value in known.items()}


def files(options):
    """Every file of the archive, by name."""
    created = datetime.datetime.fromtimestamp(options.time, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    content = layer(options.tree, options.time)
    content_descriptor = descriptor("layer.v1.tar", content)
    platform = {"architecture": options.architecture, "os": "linux"}
    config = encoded(
        {
            **platform,
            "created": created,
            # PATH is for `kubectl exec POD -- svcctl status`.
            "config": {
                "Entrypoint": ["/usr/bin/svcctl"],
                "Cmd": ["agent", "--config", "/etc/svcctl/agent.yaml"],
                "Env": ["PATH=/usr/bin"],
                "Labels": labels(options),
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [content_descriptor["digest"]]},
            "history": [{"created": created, "created_by": "deploy/image/build"}],
        }
    )
    config_descriptor = descriptor("config.v1+json", config)
    manifest = encoded(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config_descriptor,
            "layers": [content_descriptor],
            "annotations": labels(options),
        }
    )
    # The name in full is what containerd, and with it Kubernetes, makes of the short one.
    name = f"svcctl:{options.version}"
    names = {"org.opencontainers.image.ref.name": options.version, "io.containerd.image.name": f"docker.io/library/{name}"}
    manifest_descriptor = descriptor("manifest.v1+json", manifest, platform=platform, annotations=names)

    def path(of):
        return "blobs/" + of["digest"].replace(":", "/")

    return {
        "oci-layout": encoded({"imageLayoutVersion": "1.0.0"}),
        "index.json": encoded(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "manifests": [manifest_descriptor],
            }
        ),
        "manifest.json": encoded(
            [{"Config": path(config_descriptor), "RepoTags": [name], "Layers": [path(content_descriptor)]}]
        ),
        path(config_descriptor): config,
        path(manifest_descriptor): manifest,
        path(content_descriptor): content,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", required=True)
    parser.add_argument("--architecture", required=True)
    parser.add_argument("--license", required=True)
    parser.add_argument("--time", type=int, required=True, help="of everything, in seconds since 1970")
    parser.add_argument("tree", type=pathlib.Path)
    parser.add_argument("archive", type=pathlib.Path)
    options = parser.parse_args()

    unfinished = options.archive.with_name(f".{options.archive.name}.{os.getpid()}")
    try:
        with tarfile.open(unfinished, "w", format=tarfile.USTAR_FORMAT) as tar:
            for directory in ["blobs", "blobs/sha256"]:
                info = entry(directory, options.time)
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            for name, content in sorted(files(options).items()):
                info = entry(name, options.time)
                info.mode = 0o644
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        unfinished.rename(options.archive)
    finally:
        unfinished.unlink(missing_ok=True)


main()
