#!/usr/bin/env python3
"""Prints the services of generate_services.py as an `nft -f` script in the layout of kube-proxy's nftables mode.

One verdict map leads from a service address to the service's own chain; that draws a number and goes through an
anonymous map to one endpoint's own chain, which translates the address. It is what svcctl's layout is compared with:
same services, same addresses, same behaviour, another shape. The table is made anew each time it is loaded.
"""

import base64
import hashlib
import sys
from typing import Iterable, Iterator

sys.dont_write_bytecode = True  # No __pycache__ in the source tree.
from generate_services import PORT, TARGET_PORT, Service, arguments, services  # noqa: E402

TABLE = "ip bench-chains"
MASQUERADE_BIT = 0x4000
POD_NETWORK = "10.128.0.0/9"

SKELETON = f"""\
add table {TABLE}
delete table {TABLE}
add table {TABLE}
add chain {TABLE} mark-for-masquerade
add chain {TABLE} masquerading
add chain {TABLE} services
add chain {TABLE} nat-prerouting {{ type nat hook prerouting priority -100 ; }}
add chain {TABLE} nat-output {{ type nat hook output priority -100 ; }}
add chain {TABLE} nat-postrouting {{ type nat hook postrouting priority 100 ; }}
add map {TABLE} service-ips {{ type ipv4_addr . inet_proto . inet_service : verdict ; }}
add rule {TABLE} mark-for-masquerade meta mark set meta mark or {MASQUERADE_BIT:#x}
add rule {TABLE} masquerading meta mark and {MASQUERADE_BIT:#x} == 0 return
add rule {TABLE} masquerading meta mark set meta mark xor {MASQUERADE_BIT:#x}
add rule {TABLE} masquerading masquerade fully-random
add rule {TABLE} services ip daddr . meta l4proto . th dport vmap @service-ips
add rule {TABLE} nat-prerouting jump services
add rule {TABLE} nat-output jump services
add rule {TABLE} nat-postrouting jump masquerading"""


def chain_name(kind: str, text: str) -> str:
    """A readable name that a short digest keeps apart from others, as kube-proxy's are; of about the same length."""
    digest = base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:8]
    return f"{kind}-{digest}-{text}"


def service_chain(service: Service) -> str:
    return chain_name("service", f"{service.name}/tcp/http")


def endpoint_chain(service: Service, address: str) -> str:
    return chain_name("endpoint", f"{service.name}/tcp/http__{address}/{TARGET_PORT}")


def rules(service: Service) -> Iterator[str]:
    """The chains of one service. A chain is declared before the first rule that goes to it."""
    chains = [endpoint_chain(service, address) for address in service.endpoints]
    for chain, address in zip(chains, service.endpoints):
        yield f"add chain {TABLE} {chain}"
        yield f"add rule {TABLE} {chain} ip saddr {address} jump mark-for-masquerade"
        yield f"add rule {TABLE} {chain} meta l4proto tcp dnat to {address}:{TARGET_PORT}"
    chain = service_chain(service)
    yield f"add chain {TABLE} {chain}"
    yield (
        f"add rule {TABLE} {chain} ip daddr {service.cluster_ip} tcp dport {PORT} "
        f"ip saddr != {POD_NETWORK} jump mark-for-masquerade"
    )
    choices = ", ".join(f"{index} : goto {chain}" for index, chain in enumerate(chains))
    yield f"add rule {TABLE} {chain} numgen random mod {len(chains)} vmap {{ {choices} }}"
    yield f"add element {TABLE} service-ips {{ {service.cluster_ip} . tcp . {PORT} : goto {chain} }}"


def script(made: Iterable[Service]) -> Iterator[str]:
    yield SKELETON
    for service in made:
        # A service without endpoints has no chain: `mod 0` is not a rule.
        if service.endpoints:
            yield from rules(service)


def main() -> None:
    options = arguments(__doc__).parse_args()
    for line in script(services(options.services, options.endpoints, options.change_one, options.seed)):
        print(line)


if __name__ == "__main__":
    main()
