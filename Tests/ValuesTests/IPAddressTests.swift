import Testing

@testable import Values

@Suite struct IPAddressTests {
    @Test(
        arguments: [
            ("1.2.3.4", [1, 2, 3, 4], "1.2.3.4"), ("0.0.0.0", [0, 0, 0, 0], "0.0.0.0"),
            ("255.255.255.255", [255, 255, 255, 255], "255.255.255.255"),
            ("::", [UInt8](repeating: 0, count: 16), "::"), ("::1", [UInt8](repeating: 0, count: 15) + [1], "::1"),
            (
                "2001:DB8:0:0::0:1.2.3.4", [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
                "2001:db8::102:304"
            ),
            ("::ffff:1.2.3.4", [1, 2, 3, 4], "1.2.3.4"), ("0:0::FFFF:102:304", [1, 2, 3, 4], "1.2.3.4"),
            ("::fffe:1.2.3.4", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 1, 2, 3, 4], "::fffe:102:304"),
        ] as [(String, [UInt8], String)])
    func `an address is read into its bytes, and written in its shortest form`(
        text: String, bytes: [UInt8], shown: String
    ) throws {
        let address = try #require(IPAddress(text))
        #expect(address.bytes == bytes && address.description == shown)
        #expect(IPAddress(bytes: bytes) == address && IPAddress(shown) == address)
    }

    @Test(arguments: [
        "", " ", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "0x1.2.3.4", "16909060", " 1.2.3.4", "1.2.3.4 ",
        "1.2.3.4\n",
        "1.2.3.4\0", "::1\0", "\0", "1.2.3.4/32", "[::1]", "::1%lo", ":::", "1::2::3", "::12345", "localhost",
        "１.2.3.4",
    ])
    func `a text that is not an IP address is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"), ("0X7F000001", "127.0.0.1"), ("017700000001", "127.0.0.1"), ("1.2.772", "1.2.3.4"),
        ("0", "0.0.0.0"), ("4294967295", "255.255.255.255"), ("4294967296", nil), ("1.2.3.256", nil),
        ("1.2.65536", nil),
        ("08.1.1.1", nil), ("1.2.3.4.5", nil), ("1.2.3.4.", nil), ("1.2.3.4 x", nil), ("1.2.3.4\0", nil), ("", nil),
        ("::1", nil), ("a.b", nil), ("-1", nil),
    ])
    func `every notation of IPv4 is read as the C library reads it`(text: String, address: String?) {
        #expect(IPAddress.ipv4(inAnyNotation: text)?.description == address)
    }

    @Test func `an address has 4 or 16 bytes, and an IPv4-mapped one has 4`() {
        for count in 0...20 where count != 4 && count != 16 {
            #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
        }
        let mapped: [UInt8] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1]
        #expect(IPAddress(bytes: mapped) == IPAddress("127.0.0.1"))
    }
}

@Suite struct IPNetworkTests {
    @Test(
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("10.1.2.3/8", "10.0.0.0/8"), ("1.2.3.4", "1.2.3.4/32"), ("::1", "::1/128"),
            ("255.255.255.255/9", "255.128.0.0/9"), ("1.2.3.4/0", "0.0.0.0/0"), ("1.2.3.4/032", "1.2.3.4/32"),
            ("2001:db8:ffff::1/35", "2001:db8:e000::/35"), ("ffff::/0", "::/0"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"), ("::ffff:10.1.2.3", "10.1.2.3/32"), ("::ffff:0:0/96", "0.0.0.0/0"),
        ])
    func `the host bits of a network are cleared`(text: String, shown: String) throws {
        let network = try #require(IPNetwork(text))
        #expect(network.description == shown)
        #expect(IPNetwork(shown) == network)
    }

    @Test(arguments: [
        "", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/ 8", "10.0.0.0/8 ",
        "10.0.0.0 /8", "10.0.0.0/8/8", "10.0.0.0/8;", "10.0.0.0/٨", "10.0.0.0/8\0", "10/8", "10.0.0.0/255.0.0.0",
        "10.0.0.0/99999999999999999999", "::ffff:10.0.0.0/95", "::ffff:10.0.0.0/129", "example.com/8",
    ])
    func `a text that is not a network is refused`(text: String) {
        #expect(IPNetwork(text) == nil)
    }

    @Test(
        arguments: [
            ("10.0.0.0/8", "10.255.255.255", true), ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "9.255.255.255", false), ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true), ("::ffff:10.0.0.0/104", "11.0.0.0", false),
            ("172.16.0.0/12", "172.31.255.255", true), ("172.16.0.0/12", "172.32.0.0", false),
            ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.0", false), ("192.0.2.0/31", "192.0.2.1", true),
            ("0.0.0.0/0", "255.1.2.3", true), ("0.0.0.0/0", "::", false), ("0.0.0.0/0", "a00::", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
            ("fe80::/10", "febf::1", true), ("fe80::/10", "fec0::", false), ("::1", "::1", true), ("::1", "::", false),
            ("::/0", "2001:db8::1", true), ("::/0", "1.2.3.4", false), ("::/0", "::ffff:1.2.3.4", false),
            ("::fffe:0:0/95", "1.2.3.4", false), ("a00::/8", "10.0.0.0", false),
        ])
    func `a network contains the addresses that begin with its prefix`(text: String, other: String, isInside: Bool)
        throws
    {
        let network = try #require(IPNetwork(text))
        #expect(network.contains(try #require(IPAddress(other))) == isInside)
    }
}
