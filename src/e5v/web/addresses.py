"""Which addresses a server may fetch from: public ones only.

address -> the IPv4 address embedded in it, if any -> public or not

Every IPv6 form that leads to a private IPv4 address is recognised: mapped addresses, NAT64, 6to4
and Teredo.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052; the address behind it is its last 32 bits
UNICAST = IPv6Network("2000::/3")  # global unicast; other IPv6 addresses are local or tunnels


def is_public(address: str) -> bool:
    """Whether an address, as the resolver writes it, is public: neither private nor local."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = _inner(parsed)
    return inner is not None and inner.is_global and not inner.is_multicast


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address | None:
    """Return the address that traffic would reach; None for a tunnel, whose end is unknown."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    tunnelled = address.sixtofour or address.teredo
    return None if tunnelled or address not in UNICAST else address
