"""What must hold of the image and of the manifest's pod."""

import json
import pathlib
import subprocess
import sys
import time

import manifest
import network

PATIENCE = 60
CLIENTS = str(pathlib.Path(__file__).with_name("clients.py"))
# shop/web in deploy/examples/quickstart.json.
TARGETS = [
    "10.96.0.10/80/192.0.2.100", "fd00:96::10/80/2001:db8::100", f"{network.NODE_ADDRESS}/30080/192.0.2.101",
]

# What the README asks of a node beside forwarding.
SETTINGS = {
    "ipvs": {
        f"net.ipv4.vs.{name}": 1 for name in ["conntrack", "expire_nodest_conn", "expire_quiescent_template"]
    }
}


def ok(message):
    print(f"ok: {message}", flush=True)


def expect(holds, message):
    if not holds:
        raise AssertionError(message)


def archive_is_read(archive, podman):
    """By skopeo in both of its forms, and loaded by podman under the name that the manifest has."""
    for form in ["oci-archive", "docker-archive"]:
        subprocess.run(["skopeo", "inspect", f"{form}:{archive}"], stdout=subprocess.DEVNULL, check=True)
    loaded = podman("load", "--input", str(archive)).strip().splitlines()[-1]
    ok(f"skopeo reads the archive in both forms; podman: {loaded}")


class Node:
    """One agent's life on a node with one backend."""

    def __init__(self, root, work, backend, podman):
        work.mkdir()
        self.definitions = root / "deploy" / "examples" / "quickstart.json"
        self.backend, self.podman = backend, podman
        self.pod = manifest.Pod(
            root / "deploy" / "kubernetes" / "daemonset.yaml", "node-a", work, f"backend: {backend}\n"
        )
        self.services = work / "etc" / "svcctl" / "services"
        self.names = (f"{backend}-{number}" for number in range(100))

    def run(self):
        name = next(self.names)
        servers = self.start_servers()
        try:
            self.starts(name)
            self.is_confined(name)
            clients = self.start_clients()
            name = self.is_replaced(name)
            self.can_be_asked(name)
            self.hangs(name)
            self.is_alone(name)
            self.end_clients(clients)
            self.is_cleaned_up(name)
        finally:
            self.podman("rm", "--all", "--force", "--time", "0", check=False)
            servers.kill()
            servers.wait()

    # --- What the kubelet and clients do

    def answer(self, probe):
        """The status and text that a probe gets at the node's address."""
        path, port = self.pod.probes[probe]
        url = f"http://{network.NODE_ADDRESS}:{port}{path}"
        command = network.inside(network.NODE, "curl", "-s", "-m", "1", "-w", "\n%{http_code}", url)
        text = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout
        body, _, status = text.rpartition("\n")
        return int(status or 0), body.strip()

    def wait_for(self, probe, name, status=200):
        deadline = time.monotonic() + PATIENCE
        while (found := self.answer(probe))[0] != status:
            expect(time.monotonic() < deadline, f"{probe} answers {found}; the log:\n{self.podman.logs(name)}")
            time.sleep(0.1)
        return found[1]

    def start_servers(self):
        addresses = network.POD_ADDRESSES + network.POD_ADDRESSES_6
        command = network.inside(network.PODS, sys.executable, CLIENTS, "server", "8080", *addresses)
        servers = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        expect(servers.stdout.readline() == "ready\n", "the servers did not start")
        return servers

    def start_clients(self):
        command = network.inside(network.CLIENT, sys.executable, CLIENTS, "client", *TARGETS)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end_clients(self, clients):
        counted = json.loads(clients.communicate(timeout=PATIENCE)[0])
        expect(not counted["failures"], f"connections failed: {counted}")
        expect(counted.get("connections", 0) > 0 and counted.get("questions", 0) > 0, f"clients did nothing: {counted}")
        self.ok(f"none of {counted['connections']} connections failed, nor did those that stayed")

    def ok(self, message):
        ok(f"{self.backend}: {message}")

    # --- What must hold

    def starts(self, name):
        """Without definitions it lives, and is not ready."""
        started = time.monotonic()
        self.podman.start(name, self.pod)
        self.wait_for("livenessProbe", name)
        self.wait_for("readinessProbe", name, 503)
        # Which a pod cannot do, and only now are there: with IPVS, the kernel has loaded its modules for the pod.
        network.settings(network.NODE, SETTINGS.get(self.backend, {}))
        (self.services / "web.json").write_bytes(self.definitions.read_bytes())
        written = time.monotonic()
        self.wait_for("readinessProbe", name)
        alive, ready = written - started, time.monotonic() - written
        self.ok(f"lives {alive:.1f} s after its start, is ready {ready:.1f} s after definitions")

    def is_confined(self, name):
        """What the manifest asks for is what the process has: else the rest would prove nothing."""
        status = self.podman.process_status(name)
        net_admin = 1 << 12  # linux/capability.h
        expect(self.pod.capabilities == ["NET_ADMIN"], "the manifest adds other capabilities")
        for field in ["CapEff", "CapPrm", "CapBnd"]:
            expect(int(status[field], 16) == net_admin, f"{field} is {status[field]}")
        expect(status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", f"privileges: {status}")
        mounts = pathlib.Path(f"/proc/{self.podman.state(name, 'Pid')}/mountinfo").read_text().splitlines()
        options = {line.split()[4]: line.split()[5].split(",") for line in mounts}
        for path in ["/", "/etc/svcctl/agent.yaml", "/etc/svcctl/services"]:
            expect("ro" in options[path], f"{path} can be written")
        expect("rw" in options["/run/svcctl"], "/run/svcctl cannot be written")
        self.ok("has CAP_NET_ADMIN alone, a filter of system calls, and files that it cannot write")

    def can_be_asked(self, name):
        """As by `kubectl exec`; and nothing is wrong."""
        status = self.podman.execute(name, "svcctl", "status")
        expect("10.96.0.10:80/TCP" in status and f"backend {self.backend}," in status, f"svcctl status:\n{status}")
        expect("\n! " not in status, f"svcctl status:\n{status}")
        expect("starts with file:" in self.podman.execute(name, "svcctl", "events"), "svcctl events lacks the start")
        self.ok("answers svcctl status and svcctl events in the pod, and has nothing to say against the node")

    def is_replaced(self, name):
        """As an update of the DaemonSet does it: the old pod ends before the new one starts."""
        self.podman("stop", name)
        code = self.podman.ended(name)
        expect(code == 0, f"it ended with {code}:\n{self.podman.logs(name)}")
        self.podman("rm", name)
        name = next(self.names)
        self.podman.start(name, self.pod)
        self.wait_for("readinessProbe", name)
        self.ok("ends when it is told to, and another takes its place")
        return name

    def hangs(self, name):
        """Then the probe is not answered, and the kubelet kills it."""
        self.podman("kill", "--signal", "STOP", name)
        self.wait_for("livenessProbe", name, 0)
        self.podman("kill", "--signal", "KILL", name)
        self.podman.ended(name)
        self.podman("start", name)
        self.wait_for("readinessProbe", name)
        self.ok("hangs, is killed, and starts again")

    def is_alone(self, name):
        second = next(self.names)
        self.podman.start(second, self.pod)
        code, log = self.podman.ended(second), self.podman.logs(second)
        expect(code == 75 and "another agent runs on this node already;" in log, f"it ended with {code}:\n{log}")
        expect("10.96.0.10:80/TCP" in self.podman.execute(name, "svcctl", "status"), "the first does not answer")
        self.wait_for("readinessProbe", name)
        self.ok("a second pod says that there is one, and ends")

    def is_cleaned_up(self, name):
        """With the DaemonSet gone, the image removes what it left, as deploy/README.md says."""
        self.podman("rm", "--force", name)
        options = ["--rm", "--cgroups=disabled", "--network", "host", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN"]
        printed = self.podman("run", *options, self.pod.image, "cleanup").strip()
        listing = network.inside(network.NODE, "nft", "list", "ruleset")
        rules = subprocess.run(listing, stdout=subprocess.PIPE, text=True, check=True).stdout
        expect("svcctl" not in rules.lower(), f"rules are left:\n{rules}")
        self.ok(f"svcctl cleanup by the image: {printed}")
