internal import Linux
internal import SystemPackage

extension Settings {
    /// The environment of this program's other processes, with the directory that is in force. They do not report to the service
    /// manager: the supervisor does.
    var childEnvironment: [String] {
        let others = Machine.environmentList().filter {
            !$0.hasPrefix("DATA_DIR=") && !$0.hasPrefix("\(ServiceManager.variable)=")
        }
        return others + ["DATA_DIR=\(dataDirectory)"]
    }
}
