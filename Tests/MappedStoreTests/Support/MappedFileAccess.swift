import LMDB
import SystemPackage
import Testing

@testable import MappedStore

extension StoreCore {
    /// The file of a store that has one.
    var itsFile: MappedFile {
        guard let file else { preconditionFailure("the store has no file") }
        return file
    }
}
