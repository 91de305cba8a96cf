import Access
import CLinux
import Glibc
import LinuxSystem
import SandboxImages
import ServerCertificates
import ServiceConfiguration

/// A configuration that this machine can serve with.
struct CheckedConfiguration: Sendable {
    let values: ServiceConfiguration
    let account: ServiceAccount
    /// With `tls: files`, what the files hold.
    let identity: ServerIdentity?
    /// Descriptors for names; zero without a network.
    let nameDescriptors: Int
    /// Descriptors for Modal SDKs.
    let modalDescriptors: Int
    /// What the files for tunnels hold, where there are any.
    let tunnelIdentity: ServerIdentity?
    let registryCredentials: RegistryCredentials
    let registryTrust: RegistryTrust
    /// The operator's keys for secrets; nil where the service has its own.
    let secretKeys: KeyRing?
    /// What the operator should know of.
    let notes: [String]

    /// Raises this process's descriptor limit. Throws `ConfigurationRefused`, with everything that the
    /// machine doesn't have or allow.
    init(_ loaded: LoadedConfiguration) throws {
        var loaded = loaded
        var problems: [ConfigurationProblem] = []
        let limit = try check(cordon_raise_descriptor_limit(), "setrlimit", "RLIMIT_NOFILE")
        var notes: [String] = []
        let nameDescriptors = loaded.values.network ? DescriptorBudget.forNames(of: Int(limit)) : 0
        let modalDescriptors = DescriptorBudget.forModal(of: Int(limit))
        let reserved = nameDescriptors + modalDescriptors
        do { notes = try loaded.fit(DescriptorBudget(limit: Int(limit), reserved: reserved)) } catch {
            problems += error.problems
        }
        let account = ServiceAccount(named: loaded.values.user)
        if account == nil { problems.append(loaded.problem(with: "user", "names no account that isn't root's")) }
        if let path = loaded.values.policyDirectory, (try? Directory(path: path)) == nil {
            problems.append(loaded.problem(with: "policy_dir", "names no directory: \(path)"))
        }
        let identity = Self.readIdentity(loaded, problems: &problems, notes: &notes)
        let tunnelIdentity = Self.readTunnelIdentity(loaded, problems: &problems, notes: &notes)
        let registryCredentials = Self.readRegistryCredentials(loaded, problems: &problems)
        let registryTrust = Self.readRegistryTrust(loaded, problems: &problems)
        let secretKeys = Self.readSecretKeys(loaded, problems: &problems, notes: &notes)
        if loaded.values.tls == .off, !loaded.values.listen.isLoopback {
            notes.append(
                "listen is \(loaded.values.listen), which other machines may reach, and tls is off: "
                    + "tokens, code and output can be read and changed on the way")
        }
        guard problems.isEmpty, let account else { throw ConfigurationRefused(problems) }
        self.values = loaded.values
        self.account = account
        self.identity = identity
        self.nameDescriptors = nameDescriptors
        self.modalDescriptors = modalDescriptors
        self.tunnelIdentity = tunnelIdentity
        self.registryCredentials = registryCredentials
        self.registryTrust = registryTrust
        self.secretKeys = secretKeys
        self.notes = notes
    }
}

/// Whom the service serves as, once it has given up root's rights.
struct ServiceAccount: Sendable, Hashable {
    let user: uid_t
    let group: gid_t

    /// Where there is no account for it: the first of the ids that sandboxes never get.
    private static let nobodyElse = ServiceAccount(user: 0x7000_0000, group: 0x7000_0000)
    private static let standardName = "cordon"

    private init(user: uid_t, group: gid_t) {
        self.user = user
        self.group = group
    }

    /// The account of that name, which must be there; without a name, `cordon`'s or an id that nobody has.
    init?(named name: String?) {
        if let account = getpwnam(name ?? Self.standardName)?.pointee, account.pw_uid != 0 {
            self.init(user: account.pw_uid, group: account.pw_gid)
        } else if name == nil {
            self = Self.nobodyElse
        } else {
            return nil
        }
    }
}
