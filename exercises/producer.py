import json

from kafka import KafkaProducer

producer = KafkaProducer(bootstrap_servers=['kafka:9092'],
                         value_serializer=lambda x: json.dumps(x).encode('utf-8'))
producer.send('mi-topico', {'key': 'value'})
producer.flush()
