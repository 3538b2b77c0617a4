fn main() {
    println!("{:?} {}", rdkafka::util::get_rdkafka_version(), rocksdb::DB::list_cf(&rocksdb::Options::default(), "/nonexistent").is_err());
    let c: Result<rdkafka::consumer::BaseConsumer, _> = rdkafka::ClientConfig::new().set("bootstrap.servers","x").create();
    println!("{}", c.is_ok());
}
