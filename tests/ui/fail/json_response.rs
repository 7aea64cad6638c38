use idem::idempotent;

#[derive(serde::Serialize, serde::Deserialize)]
struct Receipt;

/// As web frameworks have it.
struct Json<T>(T);

struct Response<B> {
    body: B,
}

#[idempotent(key = id)]
async fn handler(id: u64) -> Result<Json<Receipt>, idem::Error> {
    let _ = id;
    Ok(Json(Receipt))
}

#[idempotent(key = id)]
async fn other(id: u64) -> Result<Response<Vec<u8>>, idem::Error> {
    Ok(Response { body: vec![id as u8] })
}

fn main() {}
