internal import Encodings

/// One field of a form, or one file.
package struct FormPart: Equatable, Sendable {
    package let name: String
    /// `nil` for a field.
    package let filename: String?
    /// The headers of a part of `multipart/form-data`; empty for another form.
    package let fields: FieldList
    /// The value. That of a part of `multipart/form-data` is a slice of the body, whose indices say where it is.
    package let content: ArraySlice<UInt8>
    /// The charset in which the value is said or supposed to be: a label, which may not be known. Of a label that is longer
    /// than any that is known, only the beginning.
    package let charset: String

    /// The value in UTF-8, and whether all of it is valid in its charset. A charset that is not known is read as UTF-8.
    package var text: (bytes: [UInt8], isExact: Bool) {
        let known = Charset(label: charset)
        let (text, isExact) = (known ?? .utf8).decodeReplacing(Array(content))
        return (text, isExact && known != nil)
    }
}

/// The fields of a body that is a form. What is wrong with it is reported; the rest is read nevertheless.
package struct FormBody: Equatable, Sendable {
    package private(set) var parts: [FormPart] = []
    /// Sentences, at most `maximumFaults`.
    package private(set) var faults: [String] = []

    package static let maximumParts = 1000
    package static let maximumFaults = 20
    /// The most bytes of the headers of one part.
    package static let partHeaderBytes = 16 << 10

    private static let urlEncoded = "application/x-www-form-urlencoded"

    package static func isForm(_ type: MediaType?) -> Bool {
        type.map { $0.name == urlEncoded || $0.name.hasPrefix("multipart/") } ?? false
    }

    /// - Returns: `nil` if the media type is not that of a form.
    package init?(_ body: [UInt8], _ type: MediaType?) {
        guard Self.isForm(type) else { return nil }
        if type?.name == Self.urlEncoded { readURLEncoded(body, type) } else { readMultipart(body, type) }
    }

    /// The values of all fields of a name, in their order, in UTF-8.
    package func values(of name: String) -> [[UInt8]] { parts.filter { $0.name == name }.map(\.text.bytes) }

    private mutating func report(_ fault: String) {
        if faults.count < Self.maximumFaults { faults.append(fault) }
    }

    private mutating func readURLEncoded(_ body: [UInt8], _ type: MediaType?) {
        let form = URLEncodedForm(body)
        let charset = charset(among: form.fields.map { ($0.name, $0.value[...]) }, type)
        let known = Charset(label: charset) ?? .utf8
        for field in form.fields {
            let name = known.decodeReplacing(field.name).text
            parts.append(
                FormPart(
                    name: String(decoding: name, as: UTF8.self), filename: nil, fields: FieldList(),
                    content: field.value[...], charset: charset))
        }
        if form.brokenEscapes > 0 {
            let signs = form.brokenEscapes == 1 ? "1 percent sign is" : "\(form.brokenEscapes) percent signs are"
            report("\(signs) not followed by two hexadecimal digits.")
        }
        if form.isCut { report("There are more than \(URLEncodedForm.maximumFields) fields; the others are left out.") }
    }

    /// The charset of fields without one of their own. A form can name it in a field `_charset_` (html.spec.whatwg.org,
    /// 4.10.21.5).
    private func charset(among fields: [(name: [UInt8], value: ArraySlice<UInt8>)], _ type: MediaType?) -> String {
        if let named = fields.first(where: { $0.name.elementsEqual("_charset_".utf8) }),
            (1...Charset.longestLabel).contains(named.value.count)
        {
            return String(decoding: named.value, as: UTF8.self)
        }
        return Self.label(type) ?? "utf-8"
    }

    private static func label(_ type: MediaType?) -> String? {
        type?.parameter("charset").map { label in
            label.utf8.count <= Charset.longestLabel ? label : String(label.prefix(Charset.longestLabel))
        }
    }

    private mutating func readMultipart(_ body: [UInt8], _ type: MediaType?) {
        var boundary = type?.parameter("boundary").map { Array($0.utf8) } ?? []
        if boundary.isEmpty {
            report("Content-Type has no boundary; the first line of the body is taken as one.")
            boundary = Array(Multipart.firstBoundary(of: body))
        }
        guard (1...Multipart.maximumBoundaryBytes).contains(boundary.count) else {
            return report("There is no boundary of 1 to \(Multipart.maximumBoundaryBytes) bytes.")
        }
        let multipart = Multipart(body, boundary: boundary, maximumParts: Self.maximumParts)
        var sections: [(PartHeaders, ArraySlice<UInt8>)] = []
        for (index, section) in multipart.sections.enumerated() {
            let headers = PartHeaders(body[section], maximumBytes: Self.partHeaderBytes)
            for fault in headers.faults { report("Part \(index + 1): \(fault)") }
            sections.append((headers, body[headers.end..<section.upperBound]))
        }
        for fault in multipart.faults { report(fault) }
        let charset = charset(among: sections.map { ($0.0.name ?? [], $0.1) }, type)
        let known = Charset(label: charset) ?? .utf8
        for (headers, content) in sections {
            let name = known.decodeReplacing(headers.name ?? []).text
            let filename = headers.filename.map { filename in
                headers.isFilenameUTF8 ? filename : known.decodeReplacing(filename).text
            }
            parts.append(
                FormPart(
                    name: String(decoding: name, as: UTF8.self),
                    filename: filename.map { String(decoding: $0, as: UTF8.self) },
                    fields: headers.fields, content: content,
                    charset: Self.label(headers.fields.mediaType) ?? charset))
        }
    }
}
