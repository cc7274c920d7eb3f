#!/usr/bin/env python3
"""Prints N services of M endpoints each, as svcctl's native definitions.

The same arguments print the same bytes. With --change-one, one endpoint of one service has another address; the seed
chooses which one, so different seeds are different small changes of the same large state. With --kinds, there is one
more service for each kind of address and each way to balance.
"""

import argparse
import ipaddress
import json
import random
import sys
from typing import Iterator, NamedTuple

CLUSTER_NETWORK = ipaddress.IPv4Network("10.96.0.0/12")
ENDPOINT_NETWORK = ipaddress.IPv4Network("10.128.0.0/9")
KIND_NETWORK = ipaddress.IPv4Network("172.20.0.0/16")
KIND_ENDPOINT_NETWORK = ipaddress.IPv4Network("10.112.0.0/12")
# The first and the last address of the network stay free.
PLACES = CLUSTER_NETWORK.num_addresses - 2
PORT = 80
TARGET_PORT = 8080


class Service(NamedTuple):
    name: str
    cluster_ip: str
    endpoints: list[str]


def arguments(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("services", type=int, metavar="N", help="how many services")
    parser.add_argument("endpoints", type=int, metavar="M", help="how many endpoints each of them has")
    parser.add_argument("--change-one", action="store_true", help="give one endpoint of one service another address")
    parser.add_argument("--seed", type=int, default=1, help="chooses the endpoint that changes (default: 1)")
    return parser


def services(count: int, endpoint_count: int, change_one: bool = False, seed: int = 1) -> Iterator[Service]:
    """Makes the services one by one; no address is used twice."""
    used = count * endpoint_count
    if count < 0 or endpoint_count < 0:
        sys.exit("numbers of services and endpoints must not be negative")
    # Each endpoint has a second address to change to.
    if count > PLACES or used * 2 > ENDPOINT_NETWORK.num_addresses - 2:
        sys.exit(f"too many: {count} services and {used} endpoints do not fit their networks")
    changed = random.Random(seed).randrange(used) if change_one and used else -1

    # Spread over the network, as allocators leave them: in steps that share no factor with the number of places,
    # so that no place is met twice.
    step = 7919
    for index in range(count):
        cluster_ip = CLUSTER_NETWORK[1 + index * step % PLACES]
        first = index * endpoint_count
        numbers = (number + used if number == changed else number for number in range(first, first + endpoint_count))
        addresses = [str(ENDPOINT_NETWORK[1 + number]) for number in numbers]
        yield Service(f"bench/svc-{index:05}", str(cluster_ip), addresses)


def definition(service: Service, more: dict[str, object]) -> str:
    return json.dumps(
        {
            "name": service.name,
            "clusterIPs": [service.cluster_ip],
            "ports": [{"name": "http", "protocol": "TCP", "port": PORT, "targetPort": TARGET_PORT}],
            "endpoints": [{"address": address} for address in service.endpoints],
        }
        | more,
        separators=(",", ":"),
    )


def kinds(endpoint_count: int) -> Iterator[str]:
    """Makes one service of each kind, each with endpoints of its own on the node node-a."""
    if endpoint_count * 12 > KIND_ENDPOINT_NETWORK.num_addresses - 2:
        sys.exit(f"too many: {endpoint_count} endpoints of each kind do not fit their network")
    rate = {"perSource": 100, "burst": 200}
    special = {
        "cluster-ip": {},
        "external-ip": {"externalIPs": ["203.0.113.1"]},
        "load-balancer-ip": {"loadBalancerIPs": ["203.0.113.2"]},
        "node-port": {"nodePort": 30001},
        "external-local": {"externalIPs": ["203.0.113.3"], "externalTrafficPolicy": "Local"},
        "sticky": {"sessionAffinity": {"clientIP": {"timeoutSeconds": 10800}}},
        "round-robin": {"scheduler": "roundRobin"},
        "source-hash": {"scheduler": "sourceHash"},
        "maglev": {"scheduler": "maglev"},
        "source-ranges": {"loadBalancerIPs": ["203.0.113.4"], "loadBalancerSourceRanges": ["198.51.100.0/24"]},
        "limits": {"maxConnections": {"perService": 1000, "perSource": 100}, "newConnectionsPerSecond": rate},
        "refused": {"endpoints": []},
    }
    for index, (name, members) in enumerate(special.items()):
        port = {"name": "http", "protocol": "TCP", "port": PORT, "targetPort": TARGET_PORT}
        if "nodePort" in members:
            port["nodePort"] = members.pop("nodePort")
        first = 1 + index * endpoint_count
        addresses = [str(KIND_ENDPOINT_NETWORK[number]) for number in range(first, first + endpoint_count)]
        service = {
            "name": f"kinds/{name}",
            "clusterIPs": [str(KIND_NETWORK[1 + index])],
            "ports": [port],
            "endpoints": [{"address": address, "nodeName": "node-a"} for address in addresses],
        }
        yield json.dumps(service | members, separators=(",", ":"))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--kinds", action="store_true", help="add one service of each kind")
    parser.add_argument("--scheduler", metavar="NAME", help="how all of them choose an endpoint")
    parser.add_argument("--sticky", action="store_true", help="let all of them remember their clients")
    options = parser.parse_args()
    more: dict[str, object] = {"scheduler": options.scheduler} if options.scheduler else {}
    if options.sticky:
        more["sessionAffinity"] = {"clientIP": {"timeoutSeconds": 10800}}
    made = [
        definition(service, more)
        for service in services(options.services, options.endpoints, options.change_one, options.seed)
    ]
    print('{"services":[')
    print(",\n".join([*made, *(kinds(options.endpoints) if options.kinds else [])]))
    print("]}")


if __name__ == "__main__":
    main()
