internal import Encodings
package import HTTP
package import JSON

extension FormBody {
    /// `{"parts": […], "faults": […]}`. A part has `name`, `filename` and `contentType` (or null), `charset`, `value` (or
    /// null, if it has more than `FormPart.valueBytes`), `bytes`, and `valueBase64` if its value is not valid in its charset. A
    /// part of `multipart/form-data` also has `offset`, where its value begins in the body, and its `headers`.
    package func write(to json: inout JSONWriter) {
        json.object { json in
            json.member("parts", arrayOf: parts) { json, part in part.write(to: &json) }
            json.member("faults", faults)
        }
    }
}

extension FormPart {
    /// A value that is longer is not written.
    package static let valueBytes = 16 << 10

    fileprivate func write(to json: inout JSONWriter) {
        let text = content.count <= Self.valueBytes ? text : nil
        json.object { json in
            json.member("name", name)
            json.member("filename", orNull: filename)
            json.member("contentType", orNull: fields.firstValue(of: "content-type"))
            json.member("charset", charset)
            if let text { json.member("value", utf8: text.bytes) } else { json.member("value", .null) }
            json.member("bytes", content.count)
            if let text, !text.isExact { json.member("valueBase64", Base64.standard.encode(content)) }
            guard fields.count > 0 else { return }
            json.member("offset", content.startIndex)
            json.member("headers", arrayOf: 0..<fields.count) { json, index in
                json.object { json in
                    json.member("name", utf8: fields.name(at: index))
                    json.member("value", utf8: fields.value(at: index))
                }
            }
        }
    }
}
