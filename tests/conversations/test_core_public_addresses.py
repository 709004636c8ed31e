"""Which addresses are public, and which hosts are addresses written in another way."""

from ipaddress import ip_address

import pytest

from conversations.core.public_addresses import is_public, literal_address


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "100.63.255.255",  # right before carriers' NAT
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.1",
        "192.167.255.255",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450:4001:80b::200e",
    ],
)
def test_public(text):
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",  # metadata of a cloud
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",  # IPv4-compatible
        "::8.8.8.8",
        "::ffff:127.0.0.1",  # IPv4-mapped
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",  # translated
        "64:ff9b::7f00:1",  # NAT64
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",  # discarded
        "2001::1",  # Teredo
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",  # 6to4
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",  # metadata of a cloud
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700::1%eth0",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ],
)
def test_not_public(text):
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.01",
        "127.0.0.1.",
        "127.0.0.0x1",
        "1.2.3.4.5",
        "256.0.0.1",
        "example.1",
        "0x",
        "::1::",
        "1:2",
    ],
)
def test_other_ways_to_write_numbers_are_refused(host):
    with pytest.raises(ValueError):
        literal_address(host)


@pytest.mark.parametrize(
    "host", ["example.com", "1.example.com", "0x7f.com", "localhost", "a1", "123.example.x1"]
)
def test_names_are_no_addresses(host):
    assert literal_address(host) is None


@pytest.mark.parametrize("host", ["1.2.3.4", "::1", "2606:4700::1111"])
def test_addresses_in_the_usual_notation_are_read(host):
    assert str(literal_address(host)) == host
