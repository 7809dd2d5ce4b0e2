internal import HTTP
internal import LMDB
internal import Linux
internal import Storage
package import Values

/// Which addresses created which endpoints.
extension MappedCapture: CaptureMaintenance {
    /// What an address counts as: IPv6 by networks of 64 bits. Keys of the same length begin with it.
    static func makerKey(_ address: String?) -> [UInt8] {
        let bytes = address.flatMap { IPAddress($0)?.bytes } ?? []
        let network = Array(bytes.prefix(8))
        return [UInt8(network.count)] + network
    }

    /// How many endpoints there are that an address created, counted up to a limit. Entries of endpoints that are gone are
    /// removed on the way.
    func endpoints(
        madeBy maker: [UInt8], upTo limit: Int, in transaction: inout Transaction
    ) throws(LMDBError) -> Int {
        var count = 0
        var gone: [[UInt8]] = []
        var start = maker
        while count < limit {
            let page = try makers(from: start, limit: 256, in: transaction)
            for (place, number) in page where place.starts(with: maker) && count < limit {
                if try tables.endpoints.contains(key(number), in: transaction) {
                    count += 1
                } else {
                    gone.append(place)
                }
            }
            guard page.count == 256, let last = page.last?.place, last.starts(with: maker) else { break }
            start = last + [0]
        }
        for place in gone { try tables.endpointMakers.remove(place, in: &transaction) }
        return count
    }

    private func makers(
        from start: [UInt8], limit: Int, in transaction: borrowing Transaction
    ) throws(LMDBError) -> [(place: [UInt8], number: UInt64)] {
        var found: [([UInt8], UInt64)] = []
        try tables.endpointMakers.scan(from: start, in: transaction) { place, _ in
            guard found.count < limit else { return false }
            let place = copy(place)
            let number = place.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            found.append((place, number))
            return true
        }
        return found
    }

    /// Removes entries of endpoints that are gone; writes nothing where there are none.
    /// - Parameters:
    ///   - start: the key to begin at.
    ///   - limit: how many to look at.
    /// - Returns: the key to go on at; empty where all have been looked at.
    package func forgetMakers(from start: [UInt8], limit: Int) throws(StoreFailure) -> [UInt8] {
        var gone: [[UInt8]] = []
        let page = try read { (transaction) throws(LMDBError) in
            let page = try makers(from: start, limit: limit, in: transaction)
            for (place, number) in page where try !tables.endpoints.contains(key(number), in: transaction) {
                gone.append(place)
            }
            return page
        }
        let next = page.count < limit ? [] : (page.last.map { $0.place + [0] } ?? [])
        guard !gone.isEmpty else { return next }
        try write { (transaction) throws(LMDBError) in
            for place in gone { try tables.endpointMakers.remove(place, in: &transaction) }
        }
        return next
    }
}
