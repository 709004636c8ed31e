"""Which addresses of a network are on the public internet, and which host names are addresses in disguise.

The ranges are those of IANA's special-purpose registries. What carries an IPv4 address inside an IPv6 one (mapped,
6to4, NAT64, Teredo) is refused whole: no web server has to be reached that way.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind carriers' NAT; some clouds' metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, from its virtual machines
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# All that is public of IPv6 is in here, but for what follows.
_GLOBAL_UNICAST = ip_network("2000::/3")
_NOT_PUBLIC_6 = [
    ip_network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
]
# "Ends in a number": then a host is meant as an IPv4 address, by the URL standard.
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def is_public(address: Address) -> bool:
    """Whether it is an address of one machine on the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None or address not in _GLOBAL_UNICAST:
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)


def literal_address(host: str) -> Address | None:
    """The address that a URL's host is; None for a name. Brackets of IPv6 are taken off already.

    Raises ValueError for every other way to write a number (127.1, 0x7f.0.0.1, 2130706433, 010.0.0.1): systems
    disagree about what those mean.
    """
    try:
        return ip_address(host)
    except ValueError:
        if ":" in host:
            raise
    labels = host.rstrip(".").split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError(f"{host!r} is no address in the usual notation.")
    return None
