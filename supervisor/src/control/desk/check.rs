//! `Check`: what is wrong with a plan, as this replug would read it.

use replug_proto::replug::control::v1 as pb;
use replug_proto::replug::control::v1::check_request::What;
use tonic::{Request, Status};

use super::super::peer::Peer;
use super::{Desk, findings};
use crate::reload::{Examined, ReloadError};

pub(super) async fn check(
    desk: &Desk,
    request: Request<pb::CheckRequest>,
) -> Result<pb::CheckResponse, Status> {
    let owns = request.extensions().get::<Peer>().is_some_and(|peer| peer.owns());
    let pb::CheckRequest { what, colour } = request.into_inner();
    // What is shown of a file is read with replug's rights, and a text can include any file.
    if what.is_some() && !owns {
        return Err(Status::permission_denied(
            "only root and replug's own user may have something else checked than the file that \
             replug runs",
        ));
    }
    let what = match what {
        None => Examined::Present,
        Some(What::Text(text)) => Examined::Text(text),
        Some(What::Path(path)) if path.starts_with('/') => Examined::File(path.into()),
        Some(What::Path(path)) => {
            return Err(Status::invalid_argument(format!("{path:?} is no absolute path")));
        }
    };
    let checked = desk
        .reload
        .examine(what)
        .await
        .map_err(|error: ReloadError| Status::unavailable(error.to_string()))?;
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let plan = checked.plan.as_ref();
    Ok(pb::CheckResponse {
        accepted: plan.is_some(),
        diagnostics: findings::diagnostics(&checked),
        shown: findings::shown(&checked, colour),
        plugins: plan.map_or(0, |plan| count(plan.plugins.len())),
        components: plan.map_or(0, |plan| count(plan.components.len())),
    })
}
