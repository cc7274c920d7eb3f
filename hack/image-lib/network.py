"""A small network: a client, a node, and the pods behind it, each a network namespace."""

import subprocess

CLIENT, NODE, PODS = "client", "node", "pods"
NODE_ADDRESS = "192.0.2.10"
POD_ADDRESSES = ["10.244.1.2", "10.244.1.3", "10.244.1.4"]
POD_ADDRESSES_6 = ["fd00:244:1::2", "fd00:244:1::3", "fd00:244:1::4"]


def inside(name, *command):
    return ["ip", "netns", "exec", name, *command]


def batch(name, *lines):
    subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def settings(name, values):
    for key, value in values.items():
        subprocess.run(inside(name, "sysctl", "-qw", f"{key}={value}"), check=True)


def make():
    for name in [CLIENT, NODE, PODS]:
        subprocess.run(["ip", "netns", "add", name], check=True)
        batch(name, "link set lo up")
    settings(NODE, {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1})
    batch(
        NODE,
        "link add to-client type veth peer name eth0 netns client",
        "link add to-pods type veth peer name eth0 netns pods",
        f"addr add {NODE_ADDRESS}/24 dev to-client",
        "addr add 2001:db8::10/64 dev to-client nodad",
        "addr add 10.244.1.1/24 dev to-pods",
        "addr add fd00:244:1::1/64 dev to-pods nodad",
        "link set to-client up",
        "link set to-pods up",
    )
    batch(
        CLIENT,
        "addr add 192.0.2.100/24 dev eth0",
        "addr add 192.0.2.101/24 dev eth0",
        "addr add 2001:db8::100/64 dev eth0 nodad",
        "link set eth0 up",
        f"route add 0.0.0.0/0 via {NODE_ADDRESS}",
        "route add ::/0 via 2001:db8::10",
    )
    batch(
        PODS,
        *[f"addr add {address}/24 dev eth0" for address in POD_ADDRESSES],
        *[f"addr add {address}/64 dev eth0 nodad" for address in POD_ADDRESSES_6],
        "link set eth0 up",
        "route add 0.0.0.0/0 via 10.244.1.1",
        "route add ::/0 via fd00:244:1::1",
    )
