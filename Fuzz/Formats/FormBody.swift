@testable import Encodings
@testable import HTTP

/// A media type and a body. The parts are within the body, one after the other, and their texts are UTF-8.
func fuzzFormBody(_ bytes: [UInt8]) {
    let part = parts(bytes, 2)
    let body = Array(part[1])
    let type = MediaType(bytes: part[0])
    guard let form = FormBody(body, type) else {
        require(!type.isForm, "a form is not read")
        return
    }
    require(form.parts.count <= FormBody.maximumParts, "too many parts")
    require(form.faults.count <= FormBody.maximumFaults, "too many faults")
    var end = 0
    for part in form.parts {
        require(isUTF8(part.text.bytes), "a text that is not UTF-8")
        guard type.name.hasPrefix("multipart/") else { continue }
        require(part.content.startIndex >= end && part.content.endIndex <= body.count, "a part outside of the body")
        require(body[part.content.startIndex..<part.content.endIndex] == part.content, "other bytes")
        end = part.content.endIndex
    }
}
