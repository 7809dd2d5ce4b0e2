internal import Linux
internal import SystemPackage

extension Settings {
    /// The environment of this program's other processes. DATA_DIR is the directory in force. The service manager's variable
    /// is left out, because only the supervisor reports to the service manager.
    var childEnvironment: [String] {
        let others = Machine.environmentList().filter {
            !$0.hasPrefix("DATA_DIR=") && !$0.hasPrefix("\(ServiceManager.variable)=")
        }
        return others + ["DATA_DIR=\(dataDirectory)"]
    }
}
