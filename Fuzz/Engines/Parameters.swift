@testable import FastCGI
@testable import HTTP

/// Any list of parameters becomes a request, or is refused.
func fuzzParameters(_ bytes: [UInt8]) {
    var parameters = Parameters()
    for entry in bytes.split(separator: 0) { unsafe parameters.add(Array(entry).span.bytes) }
    for body in [[], bytes, nil] {
        guard let request = try? parameters.request(body: body) else { continue }
        for index in 0..<request.fields.count {
            require(!request.fields.name(at: index).contains(UInt8(ascii: "_")), "a name has an underscore")
            require(request.fields.value(at: index).count <= bytes.count, "a value is too long")
        }
        if body == nil { require(request.body == .tooLarge, "a body that was not stored is not too large") }
    }
}
