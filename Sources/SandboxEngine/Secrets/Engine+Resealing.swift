import Logging
import SandboxModel

extension Engine {
    /// Seals with the current key whatever is sealed with another. What can't be opened stays as it is, and is
    /// told of. Called before the first request.
    func resealAll() async {
        guard let storage = world.vault.storage else { return }
        for records in [storage.records as any SealedRecords, world.records] {
            do { try await reseal(records, with: storage.sealer) } catch {
                world.logger.error("secrets could not be sealed anew", metadata: ["error": "\(error)"])
            }
        }
    }

    private func reseal(_ records: any SealedRecords, with sealer: any EnvironmentSealer) async throws {
        var last = ""
        var count = 0
        while true {
            let page = try await records.sealed(withOtherThan: sealer.currentKeyID, after: last, limit: 100)
            guard let end = page.last else { break }
            last = end.id
            let renewed = page.compactMap { record -> SealedRecord? in
                do {
                    let environment = try sealer.open(record.sealed, at: record.place)
                    return SealedRecord(place: record.place, sealed: try sealer.seal(environment, at: record.place))
                } catch {
                    world.logger.error(
                        "something sealed can't be opened", metadata: ["of": "\(record.place)", "error": "\(error)"])
                    return nil
                }
            }
            try await records.reseal(renewed)
            count += renewed.count
        }
        if count > 0 {
            world.logger.notice(
                "sealed anew", metadata: ["records": "\(count)", "key": "\(sealer.currentKeyID)"])
        }
    }
}
