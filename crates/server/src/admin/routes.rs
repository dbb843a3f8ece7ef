//! What answers each call of the admin API. Every router is built from it, and so is the list in
//! `docs/admin.md`.

use portcullis_admin::{
    ActivateCluster, AddSubnet, AdvanceClock, ChangePassword, ClearFaults, CrashHsm, CreateUser,
    DeleteHsmKey, DeleteSubnet, DeleteUser, EnrolHost, GenerateHsmKey, GetAwsRoot, GetClock,
    GetHealth, GetHsmInfo, GetLoadReport, GetLoadRun, GetLocalStackHealth, GetManufacturerRoot,
    GetMetrics, GetNetwork, GetSession, GetStatus, InjectFault, ListEvents, ListFaultKinds,
    ListFaults, ListHosts, ListHsmKeys, ListLoadRuns, ListUsers, LogIn, LogOut, ReplicateHsmKey,
    Reset, ResetLocalStackState, RestartHsm, RestoreSecurityGroupRules, RestoreSubnet, RevokeHost,
    SetHsmKeyAttribute, SetSecurityGroupRules, SetStateChanges, SetTimeScale, ShareHsmKey,
    StartLoadRun, StopLoadRun, TakeAddresses, TakeSnapshot, UndoFault, UnshareHsmKey, UnwrapHsmKey,
    WrapHsmKey,
};

use super::route::Route;
use super::{
    chaos, clock, events, health, hosts, hsm, keys, load, reset, roots, snapshot, status, users,
    vpc,
};

/// Every route: the calls in the order of [`portcullis_admin::ROUTES`], then the console.
pub(crate) fn table() -> Vec<Route> {
    let mut table = vec![
        // Rule WIRE-13: also where scripts written for LocalStack look for the health.
        Route::of(GetHealth, health::health),
        Route::of(GetLocalStackHealth, health::health),
        Route::of(GetMetrics, health::metrics),
        Route::of(GetStatus, status::status),
        Route::of(ListEvents, events::events),
        Route::of(TakeSnapshot, snapshot::take),
        // Rule WIRE-13: also where scripts written for LocalStack ask for it.
        Route::of(Reset, reset::reset),
        Route::of(ResetLocalStackState, reset::reset),
        Route::of(GetAwsRoot, roots::aws),
        Route::of(GetManufacturerRoot, roots::manufacturer),
        Route::of(GetClock, clock::show),
        Route::of(AdvanceClock, clock::advance),
        Route::of(SetTimeScale, clock::set_scale),
        Route::of(SetStateChanges, clock::set_state_changes),
    ];
    table.extend(of_hsms());
    table.extend(of_load());
    table.extend(of_network());
    table.extend(of_users());
    table.extend(of_keys());
    table.extend(crate::console::routes());
    table
}

fn of_hsms() -> [Route; 10] {
    [
        Route::of(ListHosts, hosts::list),
        Route::of(EnrolHost, hosts::enrol),
        Route::of(RevokeHost, hosts::revoke),
        Route::of(CrashHsm, hsm::crash),
        Route::of(RestartHsm, hsm::restart),
        Route::of(ListFaults, chaos::list),
        Route::of(InjectFault, chaos::inject),
        Route::of(ClearFaults, chaos::clear),
        Route::of(ListFaultKinds, chaos::kinds),
        Route::of(UndoFault, chaos::undo),
    ]
}

fn of_load() -> [Route; 5] {
    [
        Route::of(ListLoadRuns, load::list),
        Route::of(StartLoadRun, load::start),
        Route::of(GetLoadRun, load::show),
        Route::of(StopLoadRun, load::stop),
        Route::of(GetLoadReport, load::report),
    ]
}

fn of_network() -> [Route; 7] {
    [
        Route::of(GetNetwork, vpc::show),
        Route::of(AddSubnet, vpc::add),
        Route::of(DeleteSubnet, vpc::delete_subnet),
        Route::of(RestoreSubnet, vpc::restore_subnet),
        Route::of(TakeAddresses, vpc::take),
        Route::of(SetSecurityGroupRules, vpc::set_rules),
        Route::of(RestoreSecurityGroupRules, vpc::restore_rules),
    ]
}

fn of_users() -> [Route; 9] {
    [
        Route::of(ActivateCluster, users::activate),
        Route::of(LogIn, users::login),
        Route::of(LogOut, users::logout),
        Route::of(GetSession, users::session),
        Route::of(CreateUser, users::create),
        Route::of(ListUsers, users::list),
        Route::of(ChangePassword, users::change_password),
        Route::of(DeleteUser, users::delete),
        Route::of(GetHsmInfo, users::hsm_info),
    ]
}

fn of_keys() -> [Route; 9] {
    [
        Route::of(ListHsmKeys, keys::list),
        Route::of(GenerateHsmKey, keys::generate),
        Route::of(DeleteHsmKey, keys::delete),
        Route::of(ShareHsmKey, keys::share),
        Route::of(UnshareHsmKey, keys::unshare),
        Route::of(SetHsmKeyAttribute, keys::set_attribute),
        Route::of(WrapHsmKey, keys::wrap),
        Route::of(UnwrapHsmKey, keys::unwrap),
        Route::of(ReplicateHsmKey, keys::replicate),
    ]
}
