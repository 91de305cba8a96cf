import CordonAPI
import HTTPTypes
import HummingbirdCore
import SandboxModel

/// The making of an image as one request follows it: told step by step where that is asked for, else at its end.
struct ImageWork: Sendable {
    typealias Making = @Sendable (@escaping ImageReporter) async throws -> ImageRecord

    let exchange: Exchange

    func answer(_ make: @escaping Making) async throws -> Response {
        try await ProgressAnswer<ImageProgress>(exchange: exchange).answer { report in
            var last = ImageProgress(event: "image")
            last.image = Image(try await make { await report(ImageProgress($0)) })
            return last
        } whole: { last in
            try .json(last.image)
        }
    }
}

extension ImageProgress: ProgressEvent {
    /// How far a layer has got can be left out.
    var mayBeLeftOut: Bool { event == "layer" }
}
