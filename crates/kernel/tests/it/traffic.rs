//! What is decided before any operation is: of whom a large body is read, whose traffic is served at all, and that what
//! a listener refuses is on record too.

use std::sync::{Arc, Mutex};

use casemate_kernel::{
    Assembly, BoxFuture, Ceilings, DataPlane, Env, Exchange, Fault, Membership, Outgoing, Peer, audit::Audit,
};
use casemate_names::AccountId;
use casemate_testkit::{Credentials, Request, Response, World, WorldBuilder};
use casemate_wire::Head;
use http::{Method, StatusCode};

use crate::toys::{builder_on, toy};

const ALL: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
/// What is read of a body for somebody who cannot be admitted.
const LITTLE: usize = 1 << 20;
/// What is read of a body for an operation of the shop and of toys, which speak awsJson.
const JSON: usize = 16 << 20;
/// What is read of a picture.
const PICTURE: usize = 2 << 20;

/// Pictures: `/pictures/OWNER/NAME`, shown to whoever asks.
#[derive(Debug)]
struct Gallery {
    home: AccountId,
    bytes_max: usize,
}

impl DataPlane for Gallery {
    fn matches(&self, head: &Head) -> bool {
        head.path().starts_with("/pictures/")
    }

    fn owner(&self, head: &Head) -> Result<Option<AccountId>, Fault> {
        match head.path().split('/').nth(2) {
            Some("home") => Ok(Some(self.home.clone())),
            Some("nobody") => Ok(None),
            _ => Err(Fault::broken("the catalogue is lost")),
        }
    }

    fn body_bytes_max(&self) -> usize {
        self.bytes_max
    }

    fn signing_name(&self) -> Option<&'static str> {
        Some("gallery")
    }

    fn serve<'a>(&'a self, _exchange: &'a mut Exchange) -> BoxFuture<'a, Outgoing> {
        Box::pin(async { Outgoing::new(StatusCode::OK, "text/plain", "a picture") })
    }
}

/// One organisation, whose only member may be closed.
#[derive(Debug, Default)]
struct Club {
    closed: Mutex<bool>,
}

impl Ceilings for Club {
    fn membership(&self, _account: &AccountId) -> Result<Option<Arc<Membership>>, Fault> {
        Ok(Some(Arc::new(Membership {
            organization: "o-1".to_owned(),
            path: "o-1/r-1/".to_owned(),
            service_control: Vec::new(),
            resource_control: Vec::new(),
            closed: *self.closed.lock().unwrap(),
            ..Membership::default()
        })))
    }

    fn governs(&self, _action: &str) -> bool {
        false
    }
}

fn gallery_of(bytes_max: usize) -> (World, Arc<Club>) {
    gallery_recorded(bytes_max, Audit::in_memory())
}

fn gallery_recorded(bytes_max: usize, audit: Audit) -> (World, Arc<Club>) {
    let (builder, _) = builder_on(WorldBuilder::recorded(audit));
    let club = Arc::<Club>::default();
    let ceilings = Arc::clone(&club) as Arc<dyn Ceilings>;
    let open = move |env: &Env| {
        let gallery = Arc::new(Gallery { home: env.site.scope.account.clone(), bytes_max });
        Ok(Assembly { data_planes: vec![gallery], ceilings: Some(ceilings), ..Assembly::default() })
    };
    (builder.service("gallery", "gallery.amazonaws.com", open).start(), club)
}

async fn picture(world: &World, owner: &str) -> Response {
    world.send(&Request::new(Method::GET, &format!("/pictures/{owner}/1"))).await
}

#[tokio::test]
async fn traffic_for_a_closed_account_is_refused_and_that_for_another_is_not() {
    let (world, club) = gallery_of(PICTURE);
    assert_eq!(picture(&world, "home").await.text(), "a picture");
    *club.closed.lock().unwrap() = true;
    let refused = picture(&world, "home").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.text(), r#"{"message":"Forbidden"}"#);
    assert_eq!(world.last_record().outcome.status, 403);
    assert_eq!(picture(&world, "nobody").await.text(), "a picture");
}

#[tokio::test]
async fn traffic_for_nobody_knows_whom_is_refused_and_not_told_why() {
    let (world, _) = gallery_of(PICTURE);
    let refused = picture(&world, "lost").await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(refused.text(), r#"{"message":"Internal server error"}"#);
    assert_eq!(world.last_record().outcome.status, 500);
}

/// How many bytes are read of this order's body.
fn read_of(world: &World, who: &Credentials, service: &str, region: &str) -> usize {
    let order = Request::of(world.operation("shop", "Order"), &toy("Caller-01"));
    world.kernel.body_limit(&order.signed(who, service, region, world.now()).incoming().head)
}

#[tokio::test]
async fn a_large_body_is_read_only_for_whom_could_be_admitted() {
    let (world, _) = gallery_of(PICTURE);
    let ann = world.identities().user("ann", &[ALL]);
    assert_eq!(read_of(&world, &ann, "shop", "us-east-1"), JSON);
    let role = world.identities().role("worker", &[ALL], None);
    let session = world.session(&role, 900, None).await;
    assert_eq!(read_of(&world, &session, "shop", "us-east-1"), JSON);

    let unsigned = Request::of(world.operation("shop", "Order"), &toy("Caller-01"));
    assert_eq!(world.kernel.body_limit(&unsigned.incoming().head), LITTLE);
    assert_eq!(read_of(&world, &ann, "toys", "us-east-1"), LITTLE, "signed for another service");
    assert_eq!(read_of(&world, &ann, "shop", "eu-west-1"), LITTLE, "signed for another region");
    let stranger = Credentials::new("AKIAXXXXXXXXXXXXXXXX", "secret");
    assert_eq!(read_of(&world, &stranger, "shop", "us-east-1"), LITTLE, "a key that nobody has");
    let order = Request::of(world.operation("shop", "Order"), &toy("Caller-01"));
    let old = order.signed(&ann, "shop", "us-east-1", world.now().plus_seconds(-3600)).incoming();
    assert_eq!(world.kernel.body_limit(&old.head), LITTLE, "signed an hour ago");
    world.identities().deactivate(&ann.access_key_id);
    assert_eq!(read_of(&world, &ann, "shop", "us-east-1"), LITTLE, "a key that is no longer active");
}

#[tokio::test]
async fn a_data_plane_says_how_much_is_read_and_of_whom_more_than_a_little() {
    for (bytes_max, of_strangers) in
        [(PICTURE, LITTLE), (LITTLE + 1, LITTLE), (LITTLE, LITTLE), (LITTLE - 1, LITTLE - 1), (0, 0)]
    {
        let (world, _) = gallery_of(bytes_max);
        let ann = world.identities().user("ann", &[ALL]);
        let post = || Request::new(Method::POST, "/pictures/home/1");
        let of_ann = post().signed(&ann, "gallery", "us-east-1", world.now());
        assert_eq!(world.kernel.body_limit(&of_ann.incoming().head), bytes_max);
        assert_eq!(world.kernel.body_limit(&post().incoming().head), of_strangers);
        let of_the_shop = post().signed(&ann, "shop", "us-east-1", world.now());
        assert_eq!(world.kernel.body_limit(&of_the_shop.incoming().head), of_strangers);
    }
}

#[tokio::test]
async fn what_a_listener_refuses_is_on_record() {
    let (world, _) = gallery_of(PICTURE);
    let head = Request::new(Method::POST, "/pictures/home/1").incoming().head;
    world.kernel.refused(&Peer::Internal, &head, 413, "the body is too large");
    let record = world.last_record();
    assert_eq!((record.outcome.status, record.detail.as_deref()), (413, Some("the body is too large")));
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_served() {
    let place = tempfile::tempdir().unwrap();
    let (directory, away) = (place.path().join("audit"), place.path().join("away"));
    let audit = Audit::open(&directory, [7; 32]).unwrap();
    let (world, _) = gallery_recorded(PICTURE, audit.clone());
    let root = world.identities().root();
    assert_eq!(picture(&world, "home").await.status, StatusCode::OK);
    assert_eq!(world.call(&root, "toys", "MakeToy", toy("ball-01")).await.status, StatusCode::OK);
    audit.flush();
    // Its file has no place any more, which shows at the first record afterwards.
    std::fs::rename(&directory, &away).unwrap();
    picture(&world, "home").await;
    audit.flush();
    let before = world.digest();
    assert_eq!(picture(&world, "home").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let answer = world.call(&root, "toys", "MakeToy", toy("ball-02")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
    assert_eq!(world.digest(), before);
    audit.close();
}

#[tokio::test]
async fn a_decoy_raises_an_alarm_also_where_no_key_is_asked_for() {
    let (world, _) = gallery_of(PICTURE);
    let decoy = world.env().plant_decoy("the cellar".to_owned()).unwrap();
    let found = Credentials::new(decoy.access_key_id(), "guessed");
    let request = Request::new(Method::GET, "/pictures/home/1");
    for (owner, status) in [("home", StatusCode::OK), ("lost", StatusCode::INTERNAL_SERVER_ERROR)] {
        assert_eq!(picture(&world, owner).await.status, status);
        assert!(world.last_record().alarm.is_none());
        let request = Request { target: format!("/pictures/{owner}/1"), ..request.clone() };
        let answer = world.send(&request.signed(&found, "gallery", "us-east-1", world.now())).await;
        assert_eq!(answer.status, status);
        assert!(world.last_record().alarm.is_some_and(|alarm| alarm.contains("the cellar")));
    }
}
