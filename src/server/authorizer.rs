//! Checks with the API server whether a user may do maintenance.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::BoxFuture;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use tokio::task::JoinSet;

use crate::admission::maintenance_request::MaintenanceRequest;
use crate::inventory::ObjectRef;
use crate::review::maintenance::{RESOURCE, SUBRESOURCE, VERB};

/// Timeout of all checks for one write. The admission response waits for them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Reason for which it is unknown whether the user may do maintenance.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizerError {
    /// The API server did not answer, or answered with an error.
    #[error("cannot check whether `{user}` may maintain {cluster}")]
    Ask {
        /// Username.
        user: String,
        /// OpenBaoCluster.
        cluster: ObjectRef,
        /// The cause.
        #[source]
        source: kube::Error,
    },
    /// The answer did not arrive in time.
    #[error("expected an answer within {} s, found none", PATIENCE.as_secs())]
    TooSlow,
    /// The server is shutting down.
    #[error("the review was cancelled")]
    GivenUp,
}

/// A cluster that the user may not maintain, or the error.
pub type Forbidden = Result<Option<ObjectRef>, AuthorizerError>;

/// Checks which users may do maintenance.
pub trait Authorizer: Debug + Send + Sync {
    /// The first of the clusters in `maintenance` that the user may not maintain; `None` if the user may maintain
    /// all.
    fn first_forbidden<'a>(
        &'a self,
        maintenance: &'a MaintenanceRequest,
    ) -> BoxFuture<'a, Forbidden>;
}

/// Checks with SubjectAccessReviews.
#[derive(Clone)]
pub(crate) struct AccessReviews {
    api: Api<SubjectAccessReview>,
}

impl Debug for AccessReviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessReviews")
    }
}

impl AccessReviews {
    /// Checks through this client.
    pub(crate) fn new(client: kube::Client) -> Self {
        Self {
            api: Api::all(client),
        }
    }

    async fn may_maintain(
        &self,
        maintenance: &MaintenanceRequest,
        cluster: &ObjectRef,
    ) -> Result<bool, AuthorizerError> {
        let (api, review) = (self.api.clone(), access_review(maintenance, cluster));
        // Dropping the set cancels the requests when the caller no longer waits.
        let mut asked = JoinSet::new();
        let ask = async move { api.create(&PostParams::default(), &review).await };
        asked.spawn(ask);
        let answer = asked.join_next().await.and_then(Result::ok);
        let answer =
            answer
                .ok_or(AuthorizerError::GivenUp)?
                .map_err(|source| AuthorizerError::Ask {
                    user: maintenance.user.name.clone(),
                    cluster: cluster.clone(),
                    source,
                })?;
        Ok(answer
            .status
            .is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

impl Authorizer for AccessReviews {
    fn first_forbidden<'a>(
        &'a self,
        maintenance: &'a MaintenanceRequest,
    ) -> BoxFuture<'a, Forbidden> {
        let each = async {
            for cluster in &maintenance.clusters {
                if !self.may_maintain(maintenance, cluster).await? {
                    return Ok(Some(cluster.clone()));
                }
            }
            Ok(None)
        };
        Box::pin(async move {
            tokio::time::timeout(PATIENCE, each)
                .await
                .unwrap_or(Err(AuthorizerError::TooSlow))
        })
    }
}

fn access_review(maintenance: &MaintenanceRequest, cluster: &ObjectRef) -> SubjectAccessReview {
    let user = &maintenance.user;
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: some(&user.name),
            uid: some(&user.uid),
            groups: Some(user.groups.clone()),
            extra: Some(user.extra.clone()),
            resource_attributes: Some(ResourceAttributes {
                group: Some(cluster.kind.group().to_owned()),
                resource: Some(RESOURCE.to_owned()),
                subresource: Some(SUBRESOURCE.to_owned()),
                namespace: Some(cluster.namespace.to_string()),
                name: Some(cluster.name.to_string()),
                verb: Some(VERB.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}
