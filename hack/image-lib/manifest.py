"""What the manifest of the DaemonSet says of its pod, as arguments for podman.

Kubernetes and podman do the same with most of it. A field that is not known here is an error: what the manifest says is
tested, or the test does not run.
"""

import pathlib
import re

import yaml

# What Kubernetes' RuntimeDefault is depends on the runtime; Docker's, containerd's and this one have one origin.
SECCOMP = "/usr/share/containers/seccomp.json"
# What says nothing about how one pod runs on its node.
ELSEWHERE = {"priorityClassName", "tolerations", "nodeSelector"}


class Unknown(Exception):
    pass


class Fields:
    """A mapping of which every field is asked for."""

    def __init__(self, path, mapping):
        self.path, self.rest = path, dict(mapping)

    def take(self, name, default=None):
        return self.rest.pop(name, default)

    def expect(self, name, value):
        found = self.take(name)
        if found != value:
            raise Unknown(f"{self.path}.{name} is {found!r}, and this test knows {value!r} only")

    def fields(self, name):
        return Fields(f"{self.path}.{name}", self.take(name, {}))

    def list(self, name):
        return [Fields(f"{self.path}.{name}[{index}]", item) for index, item in enumerate(self.take(name, []))]

    def end(self):
        if self.rest:
            raise Unknown(f"{self.path}: this test does not know {', '.join(self.rest)}")


class Pod:
    """The one pod of the manifest, with its one container."""

    def __init__(self, path, node_name, host, more_configuration=""):
        """`host` is the directory that stands for the node's root; `more_configuration` goes to the end of agent.yaml."""
        documents = list(yaml.safe_load_all(pathlib.Path(path).read_text()))
        of_kind = {document["kind"]: document for document in documents}
        self.node_name, self.host = node_name, pathlib.Path(host)
        self.more_configuration = more_configuration
        self.configuration = of_kind["ConfigMap"]

        pod = Fields("pod", of_kind["DaemonSet"]["spec"]["template"]["spec"])
        for name in ELSEWHERE:
            pod.take(name)
        # What podman does in any case: there is no token, and the network is that of the node.
        pod.expect("hostNetwork", True)
        pod.expect("automountServiceAccountToken", False)
        self.grace = pod.take("terminationGracePeriodSeconds", 30)
        self.volumes = {volume.take("name"): volume for volume in pod.list("volumes")}
        (container,) = pod.list("containers")
        pod.end()

        container.take("name")
        container.take("resources")
        self.image = container.take("image")
        self.environment = dict(self.variable(variable) for variable in container.list("env"))
        self.arguments = [self.expanded(argument) for argument in container.take("args", [])]
        self.security = self.security_options(container.fields("securityContext"))
        self.probes = {name: self.probe(container.fields(name)) for name in ["livenessProbe", "readinessProbe"]}
        self.mounts = [self.mount(mount) for mount in container.list("volumeMounts")]
        container.end()

    def podman_arguments(self, name):
        """After `podman create`."""
        return [
            *["--name", name, "--network", "host", "--stop-timeout", str(self.grace), *self.security],
            *[f"--env={key}={value}" for key, value in self.environment.items()],
            *[f"--volume={mount}" for mount in self.mounts],
            *[self.image, *self.arguments],
        ]

    def variable(self, variable):
        name = variable.take("name")
        variable.expect("valueFrom", {"fieldRef": {"fieldPath": "spec.nodeName"}})
        variable.end()
        return name, self.node_name

    def expanded(self, argument):
        return re.sub(r"\$\((\w+)\)", lambda match: self.environment[match[1]], argument)

    def security_options(self, context):
        context.expect("allowPrivilegeEscalation", False)
        context.expect("readOnlyRootFilesystem", True)
        context.expect("seccompProfile", {"type": "RuntimeDefault"})
        capabilities = context.fields("capabilities")
        dropped, self.capabilities = capabilities.take("drop", []), capabilities.take("add", [])
        capabilities.end()
        context.end()
        return [
            *["--security-opt=no-new-privileges", f"--security-opt=seccomp={SECCOMP}"],
            # Kubernetes makes no writable /run and /tmp for a read-only root.
            *["--read-only", "--read-only-tmpfs=false"],
            *[f"--cap-drop={name}" for name in dropped],
            *[f"--cap-add={name}" for name in self.capabilities],
        ]

    @staticmethod
    def probe(probe):
        """The path and the port that the kubelet asks, at the node's address."""
        http = probe.fields("httpGet")
        path, port = http.take("path"), http.take("port")
        http.end()
        for name in ["periodSeconds", "failureThreshold"]:
            probe.take(name)
        probe.end()
        return path, port

    def mount(self, mount):
        volume = self.volumes[mount.take("name")]
        source = self.source(Fields(volume.path, volume.rest)) / mount.take("subPath", "")
        options = "ro" if mount.take("readOnly", False) else "rw"
        target = mount.take("mountPath")
        mount.end()
        return f"{source}:{target}:{options}"

    def source(self, volume):
        """The directory of a volume on the node, made as the kubelet would make it."""
        if configuration := volume.take("configMap"):
            if configuration != {"name": self.configuration["metadata"]["name"]}:
                raise Unknown(f"{volume.path}: no such ConfigMap")
            directory = self.host / "configuration"
            directory.mkdir(exist_ok=True)
            for name, text in self.configuration["data"].items():
                (directory / name).write_text(text + self.more_configuration)
        else:
            path = volume.fields("hostPath")
            directory = self.host / path.take("path").lstrip("/")
            path.expect("type", "DirectoryOrCreate")
            path.end()
            directory.mkdir(parents=True, exist_ok=True)
        volume.end()
        return directory
