import Linux
import Testing
import Values

@testable import Delivery

@Suite struct AddressGuardTests {
    // The first and the last address of each network, and their neighbours outside of it.
    @Test(arguments: [
        ("0.0.0.0", false), ("0.255.255.255", false), ("1.0.0.0", true), ("9.255.255.255", true), ("10.0.0.0", false),
        ("10.255.255.255", false), ("11.0.0.0", true), ("100.63.255.255", true), ("100.64.0.0", false),
        ("100.127.255.255", false), ("100.128.0.0", true), ("126.255.255.255", true), ("127.0.0.0", false),
        ("127.0.0.1", false), ("127.255.255.255", false), ("128.0.0.0", true), ("168.63.129.15", true),
        ("168.63.129.16", false), ("168.63.129.17", true), ("169.253.255.255", true), ("169.254.0.0", false),
        ("169.254.169.254", false), ("169.254.255.255", false), ("169.255.0.0", true), ("172.15.255.255", true),
        ("172.16.0.0", false), ("172.31.255.255", false), ("172.32.0.0", true), ("191.255.255.255", true),
        ("192.0.0.0", false), ("192.0.0.255", false), ("192.0.1.0", true), ("192.0.1.255", true), ("192.0.2.0", false),
        ("192.0.2.255", false), ("192.0.3.0", true), ("192.88.98.255", true), ("192.88.99.0", false),
        ("192.88.99.255", false), ("192.88.100.0", true), ("192.167.255.255", true), ("192.168.0.0", false),
        ("192.168.255.255", false), ("192.169.0.0", true), ("198.17.255.255", true), ("198.18.0.0", false),
        ("198.19.255.255", false), ("198.20.0.0", true), ("198.51.99.255", true), ("198.51.100.0", false),
        ("198.51.100.255", false), ("198.51.101.0", true), ("203.0.112.255", true), ("203.0.113.0", false),
        ("203.0.113.255", false), ("203.0.114.0", true), ("223.255.255.255", true), ("224.0.0.0", false),
        ("239.255.255.255", false), ("240.0.0.0", false), ("255.255.255.255", false), ("8.8.8.8", true),
    ])
    func `only globally reachable IPv4 addresses are allowed`(address: String, isAllowed: Bool) throws {
        let guarded = AddressGuard()
        #expect(guarded.allows(try #require(IPAddress(address))) == isAllowed)
        // The same address in the forms that IPv6 has for it.
        #expect(guarded.allows(try #require(IPAddress("::ffff:\(address)"))) == isAllowed)
        #expect(guarded.allows(try #require(IPAddress("64:ff9b::\(address)"))) == isAllowed)
        #expect(!guarded.allows(try #require(IPAddress("::\(address)"))))
    }

    @Test(arguments: [
        ("::", false), ("::1", false), ("::2", false), ("ff:ffff::1", false), ("100::", false), ("100::1", false),
        ("100:0:0:1::", false), ("100:0:0:2::", false), ("64:ff9b::7f00:1", false), ("64:ff9b::808:808", true),
        ("64:ff9b:1::", false),
        ("64:ff9b:1:ffff::808:808", false), ("64:ff9b:2::", false), ("64:ff9b:0:1::808:808", false),
        ("2001:db7:ffff::", true), ("2001:db8::", false), ("2001:db8:ffff:ffff::1", false), ("2001:db9::", true),
        ("2001::", false), ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false), ("2001:1::1", false), ("2001:2::1", false),
        ("2001:3::1", false), ("2001:4:112::1", false), ("2001:10::1", false), ("2001:20::1", false),
        ("2001:30::1", false),
        ("2001:1ff:ffff::1", false), ("2001:200::", true), ("2001:ffff::", true), ("3ffe::1", true), ("3fff::1", false),
        ("3fff:fff:ffff::1", false), ("3fff:1000::", true), ("4000::", false), ("5eff::1", false), ("5f00::", false),
        ("5f00:ffff::1", false), ("5f01::", false), ("9000::1", false), ("1fff::1", false), ("2620:4f:8000::1", true),
        ("2002::", false), ("2002:808:808::1", false), ("2002:ffff::", false), ("2003::", true),
        ("fbff::1", false), ("fc00::", false), ("fd00::1", false), ("fdff:ffff::1", false), ("fe00::", false),
        ("fe7f::", false), ("fe80::1", false), ("febf:ffff::1", false), ("fec0::1", false), ("feff::1", false),
        ("ff00::", false), ("ff02::1", false), ("ffff::", false), ("2606:4700::1111", true), ("2a00:1450::8", true),
    ])
    func `only globally reachable IPv6 addresses are allowed`(address: String, isAllowed: Bool) throws {
        #expect(AddressGuard().allows(try #require(IPAddress(address))) == isAllowed)
    }

    @Test(arguments: [
        ("10.1.0.0/16", "10.1.2.3", true), ("10.1.0.0/16", "10.2.0.0", false), ("10.1.2.3", "10.1.2.3", true),
        ("10.1.2.3", "10.1.2.4", false), ("0.0.0.0/0", "127.0.0.1", true), ("0.0.0.0/0", "::1", false),
        ("::/0", "fd00::1", true), ("::/0", "127.0.0.1", false), ("::/0", "::ffff:127.0.0.1", false),
        ("10.0.0.0/8", "64:ff9b::10.0.0.1", true), ("10.0.0.0/8", "64:ff9b::11.0.0.1", true),
        ("10.0.0.0/8", "64:ff9b::127.0.0.1", false), ("64:ff9b::/96", "64:ff9b::127.0.0.1", true),
        ("64:ff9b::/96", "127.0.0.1", false), ("127.0.0.0/8", "::ffff:127.0.0.1", true), ("::1/128", "::1", true),
        ("::1/128", "::2", false), ("10.0.0.0/8", "2002:a00:1::", false), ("2002::/16", "2002:a00:1::", true),
        ("10.0.0.0/8", "8.8.8.8", true),
    ])
    func `an allowed network opens its addresses, and no others`(network: String, address: String, isAllowed: Bool)
        throws
    {
        let guarded = AddressGuard(allowing: [try #require(IPNetwork(network))])
        #expect(guarded.allows(try #require(IPAddress(address))) == isAllowed)
    }

    @Test(arguments: [
        (
            "::ffff:10.0.0.1",
            "the address 10.0.0.1 is in 10.0.0.0/8, which is not called unless DELIVERY_ALLOW_SUBNETS includes it"
        ),
        (
            "64:ff9b::a00:1",
            "the address 64:ff9b::a00:1 is in 10.0.0.0/8, which is not called unless DELIVERY_ALLOW_SUBNETS includes it"
        ),
        (
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "the address 2001:0:4136:e378:8000:63bf:3fff:fdd2 is in 2001::/32, which is not called unless DELIVERY_ALLOW_SUBNETS includes it"
        ),
        (
            "5f00::1",
            "the address 5f00::1 is in 5f00::/16, which is not called unless DELIVERY_ALLOW_SUBNETS includes it"
        ),
        ("1.1.1.1", nil),
    ])
    func `a refusal says how to allow the network`(address: String, refusal: String?) throws {
        #expect(AddressGuard().refusal(of: try #require(IPAddress(address))) == refusal)
    }
}
