/// The input split at zero bytes, so that one input can have several arguments.
func parts(_ bytes: [UInt8], _ count: Int) -> [ArraySlice<UInt8>] {
    let found = bytes.split(separator: 0, maxSplits: count - 1, omittingEmptySubsequences: false)
    return found + [ArraySlice<UInt8>](repeating: [], count: count - found.count)
}

/// Ends the program, and so makes the input a finding, if `holds` is false.
func require(_ holds: Bool, _ what: String) {
    if !holds { fatalError(what) }
}
