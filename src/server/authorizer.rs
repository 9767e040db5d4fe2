//! Asks the API server whether a writer may do maintenance.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::BoxFuture;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use tokio::task::JoinSet;

use crate::admission::appeal::MaintenanceRequest;
use crate::inventory::ObjectRef;
use crate::review::maintenance::{RESOURCE, SUBRESOURCE, VERB};

/// Time for all questions about one write. The answer to the API server has to wait for them.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why nobody knows whether the writer may.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizerError {
    /// The API server does not answer, or refuses the question.
    #[error("cannot ask whether `{user}` may maintain {cluster}")]
    Ask {
        /// Username.
        user: String,
        /// OpenBaoCluster.
        cluster: ObjectRef,
        /// What happened.
        #[source]
        source: kube::Error,
    },
    /// The answers did not come in time.
    #[error("expected an answer within {} s, found none", PATIENCE.as_secs())]
    TooSlow,
    /// The server ends.
    #[error("the question was given up")]
    GivenUp,
}

/// A cluster that the writer may not maintain, or why nobody knows.
pub type Lacked = Result<Option<ObjectRef>, AuthorizerError>;

/// Whoever knows which writers may do maintenance.
pub trait Authorizer: Debug + Send + Sync {
    /// The first cluster among those asked about that the writer may not maintain; `None` where it may maintain all.
    fn lacks<'a>(&'a self, appeal: &'a MaintenanceRequest) -> BoxFuture<'a, Lacked>;
}

/// The API server, by SubjectAccessReviews.
#[derive(Clone)]
pub struct AccessReviews {
    api: Api<SubjectAccessReview>,
}

impl Debug for AccessReviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessReviews")
    }
}

impl AccessReviews {
    /// Asks through this client.
    pub fn new(client: kube::Client) -> Self {
        Self {
            api: Api::all(client),
        }
    }

    async fn may_maintain(
        &self,
        appeal: &MaintenanceRequest,
        cluster: &ObjectRef,
    ) -> Result<bool, AuthorizerError> {
        let (api, question) = (self.api.clone(), question(appeal, cluster));
        // A set gives up what it holds when nobody waits any more.
        let mut asked = JoinSet::new();
        let ask = async move { api.create(&PostParams::default(), &question).await };
        asked.spawn(ask);
        let answer = asked.join_next().await.and_then(Result::ok);
        let answer =
            answer
                .ok_or(AuthorizerError::GivenUp)?
                .map_err(|source| AuthorizerError::Ask {
                    user: appeal.user.name.clone(),
                    cluster: cluster.clone(),
                    source,
                })?;
        Ok(answer
            .status
            .is_some_and(|status| status.allowed && status.denied != Some(true)))
    }
}

impl Authorizer for AccessReviews {
    fn lacks<'a>(&'a self, appeal: &'a MaintenanceRequest) -> BoxFuture<'a, Lacked> {
        let each = async {
            for cluster in &appeal.clusters {
                if !self.may_maintain(appeal, cluster).await? {
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

fn question(appeal: &MaintenanceRequest, cluster: &ObjectRef) -> SubjectAccessReview {
    let user = &appeal.user;
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
