"""Who really sent a request that may have passed through proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def parse_networks(items: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks such as `10.0.0.1` and `10.0.0.0/8`; ValueError names the first unusable one."""
    networks = []
    for item in items:
        try:
            networks.append(ip_network(item, strict=False))
        except ValueError:
            raise ValueError(f"{item!r} is neither an address nor a network") from None
    return tuple(networks)


def parse_address(text: str) -> Address | None:
    """The address, an IPv4 one also where it came mapped into IPv6; None for anything else."""
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The address nearest to us that no trusted proxy vouches past.

    `forwarded_for` is `X-Forwarded-For`, read from its end, as everything before an untrusted hop may be invented.
    It counts only when the peer itself is trusted.
    """
    nearest = peer
    hops = [hop for hop in forwarded_for.split(",") if hop.strip()]
    while hops and is_within(parse_address(nearest), trusted):
        hop = parse_address(hops.pop())
        if hop is None:
            break
        nearest = str(hop)
    return nearest
