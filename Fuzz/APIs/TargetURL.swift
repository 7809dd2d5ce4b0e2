@testable import Delivery
@testable import Linux
@testable import Values

private let addresses = AddressGuard()

/// A text is refused with a place that is in it, or is a URL whose parts are in the text; an address is judged.
@_cdecl("LLVMFuzzerTestOneInput")
public func test(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let text = String(decoding: unsafe input(start, count), as: UTF8.self)
    for prefix in ["", "http://", "https://["] {
        do throws(TargetURL.Problem) {
            let url = try TargetURL(prefix + text)
            require(url.text == prefix + text, "another text")
            require((1...65535).contains(url.port) && !url.host.isEmpty, "no port or no host")
            require(url.text.lowercased().contains(url.host), "a host that is not there")
            require(url.text.utf8.allSatisfy { (0x21...0x7e).contains($0) }, "a character that is not sent")
            if let address = url.address {
                require(addresses.allows(address) == (addresses.refusal(of: address) == nil), "two judgements")
                require(IPAddress(address.description) == address, "another address")
            }
            if prefix == "" { require((try? TargetURL(text, httpsOnly: true)) == nil || url.scheme == .https, "http") }
        } catch {
            require(!error.description.isEmpty, "refused for nothing")
        }
    }
    return 0
}
