use std::sync::Arc;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::Admin;

/// `GET /_portcullis/roots/aws.pem`: what signs every AwsHardwareCertificate.
///
/// Rule CL-32: the owner of a cluster can check who made its HSM. Users of CloudHSM download these
/// certificates from AWS and from the maker.
pub(super) async fn aws(State(admin): State<Arc<Admin>>) -> Response {
    pem(admin.cloudhsm.roots().aws)
}

/// `GET /_portcullis/roots/manufacturer.pem`: what signs every ManufacturerHardwareCertificate.
pub(super) async fn manufacturer(State(admin): State<Arc<Admin>>) -> Response {
    pem(admin.cloudhsm.roots().manufacturer)
}

fn pem(certificate: String) -> Response {
    ([(CONTENT_TYPE, "application/x-pem-file")], certificate).into_response()
}
