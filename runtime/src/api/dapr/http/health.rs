//! Health checks over HTTP.

use super::answer::{Answer, no_content};
use super::params::Params;
use crate::api::dapr::Dapr;
use crate::api::dapr::error::{ApiError, NOT_READY, OTHER_APP, OUTBOUND_NOT_READY};

impl Dapr {
    pub(super) fn http_healthz(&self, params: &Params) -> Result<Answer, ApiError> {
        if let Some(target) = self.health.phase().not_ready() {
            return Err(ApiError::plain(NOT_READY, format!("dapr is not ready: [{target}]")));
        }
        if params.first("appid").is_some_and(|app_id| app_id != self.settings.app_id) {
            return Err(ApiError::plain(OTHER_APP, "dapr app-id does not match"));
        }
        Ok(no_content())
    }

    pub(super) fn http_healthz_outbound(&self) -> Result<Answer, ApiError> {
        if self.health.phase().outbound_ready() {
            Ok(no_content())
        } else {
            Err(ApiError::plain(OUTBOUND_NOT_READY, "dapr outbound is not ready"))
        }
    }
}
