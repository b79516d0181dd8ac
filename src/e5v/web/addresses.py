"""Which addresses of the network a server may fetch from: the public ones, and no other.

address -> the IPv4 address inside it, if it is a wrapper -> public, or not

Every form that leads to one's own network by another name is told: IPv4 mapped into IPv6, NAT64,
6to4 and Teredo.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052; the address behind it is its last 32 bits
UNICAST = IPv6Network("2000::/3")  # all that is handed out of IPv6; the rest is local, or tunnels


def is_public(address: str) -> bool:
    """Tell whether an address, as the resolver writes it, is anybody's: not private, not local."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(parsed)
    return inner is not None and inner.is_global and not inner.is_multicast


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address | None:
    """Return the address that is meant in the end; None for a tunnel to who knows where."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    tunnelled = address.sixtofour or address.teredo
    return None if tunnelled or address not in UNICAST else address
