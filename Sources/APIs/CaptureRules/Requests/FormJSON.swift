internal import Encodings
package import HTTP
package import JSON

extension FormBody {
    /// `{"parts": […], "faults": […]}`. A part has `name`, `filename` and `contentType` (or null), `charset`, `value` (or
    /// null, if it has more than `FormPart.valueBytes` or there is no room), `bytes`, and `valueBase64` if its value is not valid in its charset. A
    /// part of `multipart/form-data` also has `offset`, where its value begins in the body, and its `headers`.
    ///
    /// All names, header fields and values together have at most `shownBytes`: values for which there is no room are null,
    /// and parts for which there is none are left out, with a fault that says so.
    package func write(to json: inout JSONWriter) {
        var room = Self.shownBytes
        var shown = 0
        json.object { json in
            json.name("parts")
            json.beginArray()
            for part in parts {
                guard part.headBytes <= room else { break }
                room -= part.headBytes
                let showsValue = part.content.count <= min(FormPart.valueBytes, room)
                if showsValue { room -= part.content.count }
                part.write(to: &json, showsValue: showsValue)
                shown += 1
            }
            json.endArray()
            let rest = shown < parts.count ? ["Only the first \(shown) of \(parts.count) parts are shown."] : []
            json.member("faults", faults + rest)
        }
    }

    /// The most bytes of the parts that are written. Escapes can make six times as many of them.
    package static let shownBytes = 32 << 10
}

extension FormPart {
    /// A value that is longer is not written.
    package static let valueBytes = 16 << 10

    /// The bytes of all but the value, roughly.
    fileprivate var headBytes: Int { 64 + name.utf8.count + (filename?.utf8.count ?? 0) + 2 * fields.byteCount }

    fileprivate func write(to json: inout JSONWriter, showsValue: Bool) {
        let text = showsValue ? text : nil
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
