/// Short forms for the usual contents of answers.
extension JSONWriter {
    package mutating func object(_ write: (inout JSONWriter) -> Void) {
        beginObject()
        write(&self)
        endObject()
    }

    package mutating func array<Item>(of items: some Sequence<Item>, _ write: (inout JSONWriter, Item) -> Void) {
        beginArray()
        for item in items { write(&self, item) }
        endArray()
    }

    // MARK: Members

    package mutating func member(_ name: String, _ text: String) {
        self.name(name)
        string(text)
    }

    package mutating func member(_ name: String, _ number: some BinaryInteger) {
        self.name(name)
        integer(number)
    }

    package mutating func member(_ name: String, _ value: Bool) {
        self.name(name)
        bool(value)
    }

    package mutating func member(_ name: String, _ value: JSON) {
        self.name(name)
        self.value(value)
    }

    package mutating func member(_ name: String, _ texts: [String]) {
        member(name, arrayOf: texts) { json, text in json.string(text) }
    }

    package mutating func member(_ name: String, orNull text: String?) {
        self.name(name)
        if let text { string(text) } else { null() }
    }

    package mutating func member(_ name: String, orNull number: (some BinaryInteger)?) {
        self.name(name)
        if let number { integer(number) } else { null() }
    }

    /// Writes a text of UTF-8 bytes; bytes that are not UTF-8 become U+FFFD.
    package mutating func member(_ name: String, utf8 text: some Collection<UInt8>) {
        self.name(name)
        string(utf8: text)
    }

    package mutating func member(_ name: String, orNull text: (some Collection<UInt8>)?) {
        self.name(name)
        if let text { string(utf8: text) } else { null() }
    }

    /// Writes a value whose text is known to be JSON.
    package mutating func member(_ name: String, text: some Collection<UInt8>) {
        self.name(name)
        value(text: text)
    }

    package mutating func member(_ name: String, _ write: (inout JSONWriter) -> Void) {
        self.name(name)
        object(write)
    }

    package mutating func member<Item>(
        _ name: String, arrayOf items: some Sequence<Item>, _ write: (inout JSONWriter, Item) -> Void
    ) {
        self.name(name)
        array(of: items, write)
    }
}

/// The JSON text of the value that `write` writes.
package func valueJSON(reserving count: Int = 0, _ write: (inout JSONWriter) -> Void) -> [UInt8] {
    var json = JSONWriter(reserving: count)
    write(&json)
    return json.bytes
}

/// The JSON text of an object with the members that `write` writes.
package func objectJSON(reserving count: Int = 0, _ write: (inout JSONWriter) -> Void) -> [UInt8] {
    valueJSON(reserving: count) { json in json.object(write) }
}

package func arrayJSON<Item>(
    _ items: some Sequence<Item>, reserving count: Int = 0, _ write: (inout JSONWriter, Item) -> Void
) -> [UInt8] {
    valueJSON(reserving: count) { json in json.array(of: items, write) }
}
