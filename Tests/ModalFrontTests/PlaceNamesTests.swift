import ModalFront
import SandboxModel
import Testing

@Suite struct PlaceNamesTests {
    @Test(
        "names of clouds and regions are taken", arguments: ["us", "eu-west", "us-east-1", "us-ashburn-1", "ap-south"])
    func known(region: String) throws {
        try PlaceNames.check(region: region)
        for cloud in ["", "aws", "gcp", "oci", "auto", "AWS"] { try PlaceNames.check(cloud: cloud) }
    }

    @Test(
        "other names are refused, with what they are",
        arguments: [
            "", "invalid-region", "us-", "us--east", "us-EAST", "us-east 1", "us-" + String(repeating: "x", count: 80),
        ])
    func unknown(region: String) {
        #expect {
            try PlaceNames.check(region: region)
        } throws: { error in
            guard let error = error as? CordonError else { return false }
            return error.code == .invalidArgument && error.field == "region"
        }
        #expect(throws: CordonError.self) { try PlaceNames.check(cloud: "invalid-cloud") }
    }
}
