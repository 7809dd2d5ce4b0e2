internal import HTTP
internal import Linux
package import Logging
internal import SystemPackage
internal import Values

/// What versions with a store of layout 6 or older leave when the machine goes down while they run: the file `running`, with
/// the start of the machine and the durability.
///
/// With `DURABILITY=process` they did not keep the file from damage by such a crash, so that the store is checked before its
/// upgrade.
package struct EarlierCrash {
    private let settings: Settings
    private let storeOnDisk: any StoreOnDisk
    private let path: FilePath

    package init(_ settings: Settings, _ storeOnDisk: any StoreOnDisk) {
        self.settings = settings
        self.storeOnDisk = storeOnDisk
        path = settings.dataDirectory.appending("running")
    }

    /// Checks the store if that is needed, in another process: reading a damaged store may crash it.
    package func check(_ logger: Logger) throws {
        guard let bytes = Files.contents(of: path) else { return }
        let words = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace).map(String.init)
        if words.count == 2, words[0] != Machine.bootID(), words[1] == Settings.Durability.process.rawValue,
            Files.size(of: storeOnDisk.path) > 0
        {
            logger.warning("the machine went down while an earlier version was running; checking the store")
            try checkStore()
            logger.notice("the store is sound")
        }
        try? Files.remove(path)
    }

    private func checkStore() throws {
        // The check reads only the layout of this program.
        for command in ["migrate", "check"] {
            let ending = try StoreProcess.run([command], settings)
            guard ending != .exited(0) else { continue }
            throw Refusal(
                """
                the store may be damaged: its \(command == "check" ? "check" : "migration") \(ending). Run "postroom store \
                repair", or restore a backup
                """)
        }
    }
}
