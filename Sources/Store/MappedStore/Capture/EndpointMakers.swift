internal import HTTP
internal import LMDB
internal import Linux
internal import Storage
package import Values

/// The unit by which addresses are counted: an IPv4 address, or the first 64 bits of an IPv6 address.
struct Network: Equatable {
    /// Eight bytes or fewer; empty if the address is not known.
    let bytes: [UInt8]

    init(_ address: String?) { bytes = Array((address.flatMap { IPAddress($0)?.bytes } ?? []).prefix(8)) }

    init(bytes: [UInt8]) { self.bytes = bytes }
}

/// The network that created an endpoint, and the endpoint's number.
struct MakerKey: TableKey, Equatable {
    let maker: Network
    let number: UInt64

    init(_ maker: Network, _ number: UInt64) {
        self.maker = maker
        self.number = number
    }

    func write(to writer: inout ByteWriter) {
        writer.byte(UInt8(maker.bytes.count))
        writer.rest(maker.bytes)
        writer.fixed(number)
    }

    init?(from reader: inout ByteReader) {
        guard let count = reader.byte(), let bytes = reader.take(Int(count)), let number = reader.fixed() else {
            return nil
        }
        self.init(Network(bytes: bytes), number)
    }
}

/// Records which addresses created which endpoints.
extension MappedCapture: CaptureMaintenance {
    /// The number of endpoints that an address's network created, counted up to a limit. Removes entries of deleted
    /// endpoints on the way.
    func endpoints(
        madeBy maker: Network, upTo limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var count = 0
        var gone: [MakerKey] = []
        var last: MakerKey?
        while count < limit {
            let page = try makers(from: MakerKey(maker, 0), after: last, limit: 256, in: transaction)
            for key in page where key.maker == maker && count < limit {
                if try tables.endpoints.contains(key.number, in: transaction) {
                    count += 1
                } else {
                    gone.append(key)
                }
            }
            last = page.last
            guard page.count == 256, last?.maker == maker else { break }
        }
        for key in gone { try tables.endpointMakers.remove(key, in: &transaction) }
        return count
    }

    private func makers(
        from start: MakerKey? = nil, after last: MakerKey?, limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [MakerKey] {
        var found: [MakerKey] = []
        try tables.endpointMakers.scanKeys(from: start, after: last, in: transaction) { key in
            guard found.count < limit else { return false }
            found.append(key)
            return true
        }
        return found
    }

    /// Removes entries of deleted endpoints. Writes nothing if there is nothing to remove.
    /// - Parameters:
    ///   - start: where the last call ended; empty: the beginning.
    ///   - limit: how many entries to look at.
    /// - Returns: where to continue; empty if all entries have been looked at.
    package func forgetMakers(from start: [UInt8], limit: Int) throws(StoreFailure) -> [UInt8] {
        var gone: [MakerKey] = []
        let page = try read { (transaction) throws(LMDBError) in
            let page = try makers(after: MakerKey(keyBytes: start), limit: limit, in: transaction)
            for key in page where try !tables.endpoints.contains(key.number, in: transaction) { gone.append(key) }
            return page
        }
        let next = page.count < limit ? [] : (page.last?.keyBytes ?? [])
        guard !gone.isEmpty else { return next }
        try write { (transaction) throws(LMDBError) in
            for key in gone { try tables.endpointMakers.remove(key, in: &transaction) }
        }
        return next
    }
}
