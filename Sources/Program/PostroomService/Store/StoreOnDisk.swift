package import SystemPackage

/// What a process can find out about the store in DATA_DIR without opening it.
///
/// The program chooses the engine, and passes this to the service.
package protocol StoreOnDisk {
    /// The version of the layout that this program writes.
    var layoutVersion: UInt64 { get }

    /// The store's main file.
    var path: FilePath { get }

    /// A sentence that says what is wrong with the file; `nil` if no fault is found, or there is no file.
    var fault: String? { get }

    /// The processes that hold locks of the store.
    var lockHolders: [StoreLockHolder] { get }

    /// The process whose reading keeps the most pages of the store from being used again, and their bytes; `nil` if none
    /// keeps many.
    var oldReader: (processID: Int32, bytes: Int)? { get }
}

/// A process that holds a lock of the store.
package struct StoreLockHolder {
    let processID: Int32
    /// The lock in words.
    let lock: String
    /// Whether all requests that write wait for it.
    let keepsFromWriting: Bool

    package init(processID: Int32, lock: String, keepsFromWriting: Bool) {
        self.processID = processID
        self.lock = lock
        self.keepsFromWriting = keepsFromWriting
    }
}
