@testable import Delivery
@testable import Linux
@testable import Values

private let addresses = AddressGuard()

/// A text is refused with a reason, or is a URL whose parts are in the text. Any address can be checked.
func fuzzTargetURL(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    for prefix in ["", "http://", "https://["] {
        do throws(TargetURL.Problem) {
            let url = try TargetURL(prefix + text)
            require(url.text == prefix + text, "another text")
            require((1...65535).contains(url.port) && !url.host.isEmpty, "no port or no host")
            require(url.text.lowercased().contains(url.host), "a host that is not in the text")
            require(url.text.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "a character that a URL cannot have")
            if let address = url.address {
                require(
                    addresses.allows(address) == (addresses.refusal(of: address) == nil), "the guard contradicts itself"
                )
                require(IPAddress(address.description) == address, "another address")
            }
            if prefix == "" { require((try? TargetURL(text, httpsOnly: true)) == nil || url.scheme == .https, "http") }
        } catch {
            require(!error.description.isEmpty, "refused without a reason")
        }
    }
}
